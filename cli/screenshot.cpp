// SPDX-License-Identifier: Apache-2.0
#include "command.hpp"
#include "display.hpp"
#include "format.hpp"
#include "json.hpp"
#include "output.hpp"

#include "base/errno_text.hpp"
#include "base/unique_fd.hpp"

#include <CLI/CLI.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <fcntl.h>
#include <format>
#include <memory>
#include <print>
#include <span>
#include <string>
#include <sys/types.h>
#include <unistd.h>
#include <vector>

namespace hvisor::cli {
namespace {

struct Arguments {
    std::shared_ptr<DisplayName> display;
    std::string file; ///< "" for a name made of the zone's, "-" for standard output
    bool cursor = false;
    bool force = false;
};

/// What can be said before the daemon is asked.
Outcome<void> check(const std::string& file, bool force) {
    if (file == "-" && ::isatty(STDOUT_FILENO) == 1) {
        return fail(exit_usage, "a picture is nothing for a terminal; name a file, or send it to a program");
    }
    if (file != "-" && !force && ::access(file.c_str(), F_OK) == 0) {
        return fail(1, std::format("{} is there already; --force overwrites it", file));
    }
    return {};
}

/// All that can be read from one file into another, wherever that leads.
Outcome<void> copy(int from, int to, const std::string& name) {
    std::array<char, 65536> buffer{};
    for (;;) {
        const auto size = ::read(from, buffer.data(), buffer.size());
        if (size <= 0) {
            return size == 0 ? Outcome<void>{}
                             : fail(1, std::format("cannot read the picture: {}", errno_text()));
        }
        std::span<const char> rest(buffer.data(), static_cast<std::size_t>(size));
        while (!rest.empty()) {
            const auto written = ::write(to, rest.data(), rest.size());
            if (written < 0) {
                return fail(1, std::format("cannot write {}: {}", name, errno_text()));
            }
            rest = rest.subspan(static_cast<std::size_t>(written));
        }
    }
}

/// A file that cannot be written completely is taken away again.
Outcome<void> save(int picture, const std::string& name, bool force) {
    if (name == "-") {
        return copy(picture, STDOUT_FILENO, "the picture");
    }
    constexpr mode_t for_everybody = 0666; // less the umask
    const int how = force ? O_TRUNC : O_EXCL;
    const UniqueFd file(::open(name.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | how, for_everybody));
    if (!file) {
        return fail(1, std::format("cannot write {}: {}", name, errno_text()));
    }
    auto copied = copy(picture, file.get(), name);
    if (!copied && !force) {
        ::unlink(name.c_str());
    }
    return copied;
}

void print_result(const std::string& file, const Dictionary& results, const Output& output) {
    if (output.json) {
        auto object = results;
        object.emplace("File", sdbus::Variant(file));
        std::print("{}", to_json(object));
    } else if (!output.quiet) {
        std::println("{}: {} x {}", printable(file), value_of<std::uint32_t>(results, "Width"),
                     value_of<std::uint32_t>(results, "Height"));
    }
}

Outcome<void> take(Client& client, const Arguments& arguments, const Output& output) {
    const auto row = client.find_zone(arguments.display->zone);
    if (!row) {
        return std::unexpected(row.error());
    }
    const std::string file = arguments.file.empty() ? row->name + ".png" : arguments.file;
    if (auto checked = check(file, arguments.force); !checked) {
        return checked;
    }
    const auto device = find_gpu(client, row->name);
    if (!device) {
        return std::unexpected(device.error());
    }
    const auto number = arguments.display->number;
    Dictionary options;
    std::vector<std::string> words{"ua{sv}", std::to_string(number), "0"};
    if (arguments.cursor) {
        options.emplace("cursor", sdbus::Variant(true));
        words = {"ua{sv}", std::to_string(number), "1", "cursor", "b", "true"};
    }
    client.tell(device->path, GpuProxy::INTERFACE_NAME, "Screenshot", words);
    const auto taken =
        client.gpu(device->path, [&](GpuProxy& gpu) { return gpu.Screenshot(number, options); });
    if (!taken) {
        return std::unexpected(taken.error());
    }
    const auto& [picture, results] = *taken;
    if (auto saved = save(picture.get(), file, arguments.force); !saved) {
        return saved;
    }
    if (file != "-") {
        print_result(file, results, output);
    }
    return {};
}

} // namespace

void add_screenshot(CLI::App& app, Command& command, const Output& output) {
    auto* verb = app.add_subcommand("screenshot", "Save what a zone's display shows as a PNG");
    auto arguments = std::make_shared<Arguments>();
    arguments->display = add_display_name(*verb);
    verb->add_option("file", arguments->file, "Write it there, - for standard output; ZONE.png without it")
        ->type_name("FILE");
    verb->add_flag("--cursor", arguments->cursor, "With the mouse pointer");
    verb->add_flag("--force", arguments->force, "Overwrite a file that is there");
    verb->callback([&command, &output, arguments] {
        command = [&output, arguments](Client& client) { return take(client, *arguments, output); };
    });
}

} // namespace hvisor::cli
