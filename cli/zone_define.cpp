// SPDX-License-Identifier: Apache-2.0
#include "command.hpp"

#include "base/errno_text.hpp"
#include "base/error_table.hpp"
#include "base/unique_fd.hpp"

#include <CLI/CLI.hpp>

#include <fcntl.h>
#include <filesystem>
#include <format>
#include <memory>
#include <print>
#include <string>

namespace hvisor::cli {
namespace {

struct DefineArguments {
    std::string file;
    std::string name; ///< "" for that of the file
    bool runtime = false;
    bool replace = false;
};

Outcome<void> define(Client& client, const DefineArguments& arguments, const Output& output) {
    const UniqueFd file(::open(arguments.file.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
    if (!file) {
        const int error = errno;
        return fail(
            Error{error_code_of_errno(error), std::format("{}: {}", arguments.file, errno_text(error))});
    }
    const auto name =
        arguments.name.empty() ? std::filesystem::path(arguments.file).stem().string() : arguments.name;
    Dictionary options;
    if (arguments.runtime) {
        options.emplace("runtime", sdbus::Variant(true));
    }
    if (arguments.replace) {
        options.emplace("replace", sdbus::Variant(true));
    }
    const auto path = client.manager(
        [&](ManagerProxy& proxy) { return proxy.DefineZone(name, sdbus::UnixFd(file.get()), options); });
    if (!path) {
        return std::unexpected(path.error());
    }
    if (!output.quiet) {
        std::println("{}", *path);
    }
    return {};
}

Outcome<void> undefine(Client& client, const std::string& name) {
    client.tell(manager_path, ManagerProxy::INTERFACE_NAME, "UndefineZone", {"sa{sv}", name, "0"});
    return client.manager([&](ManagerProxy& proxy) { proxy.UndefineZone(name, {}); });
}

} // namespace

void add_zone_define(CLI::App& zone, Command& command, const Output& output) {
    auto arguments = std::make_shared<DefineArguments>();
    auto* verb = zone.add_subcommand("define", "Configure a zone on this machine, checked before");
    verb->add_option("file", arguments->file, "A zone in one file")->type_name("FILE")->required();
    verb->add_option("name", arguments->name, "Name that starts it; that of the file by default")
        ->type_name("NAME");
    verb->add_flag("--runtime", arguments->runtime, "Until the next boot");
    verb->add_flag("--replace", arguments->replace, "Replace the configuration that is there");
    verb->callback([&command, &output, arguments] {
        command = [arguments, &output](Client& client) { return define(client, *arguments, output); };
    });

    auto name = std::make_shared<std::string>();
    auto* remove = zone.add_subcommand("undefine", "Remove the configuration of a zone");
    remove->add_option("zone", *name, "Name of a configured zone")->type_name("NAME")->required();
    remove->callback(
        [&command, name] { command = [name](Client& client) { return undefine(client, *name); }; });
}

} // namespace hvisor::cli
