// SPDX-License-Identifier: Apache-2.0
#include "zone/read_start_options.hpp"

#include <algorithm>
#include <array>
#include <format>
#include <utility>

namespace hvisor::zone {
namespace {

/// What the file of an image is called when there is none.
constexpr std::string_view no_file = "null";

/// What Linux keeps of a command line on the architectures that take one here (COMMAND_LINE_SIZE).
constexpr std::size_t longest_cmdline = 2047;

template <class T, std::size_t N>
std::optional<T> read_word(const ConfigReader& value,
                           const std::array<std::pair<std::string_view, T>, N>& words,
                           std::string_view expected) {
    const auto word = value.string(expected);
    if (!word) {
        return std::nullopt;
    }
    const auto found = std::ranges::find(words, *word, &std::pair<std::string_view, T>::first);
    if (found == words.end()) {
        value.problem(std::format(R"("{}" is none of the words for this; expected {})", *word, expected));
        return std::nullopt;
    }
    return found->second;
}

bool is_no_file(const ConfigReader& path) {
    return path.is(JsonValue::Kind::string) && path.string("") == no_file;
}

/// Without the key the file that is named, if any, is used as it is.
std::optional<DtbSource> read_dtb_source(const ConfigReader& zone) {
    constexpr std::array words{
        std::pair{std::string_view("none"), DtbSource::none},
        std::pair{std::string_view("file"), DtbSource::file},
        std::pair{std::string_view("patch"), DtbSource::patch},
        std::pair{std::string_view("generate"), DtbSource::generate},
    };
    if (const auto value = zone.find("dtb")) {
        return read_word(*value, words, R"("none", "file", "patch" or "generate")");
    }
    const auto path = zone.find("dtb_filepath");
    return path && !is_no_file(*path) ? DtbSource::file : DtbSource::none;
}

void read_dtb(const ConfigReader& zone, ZoneConfig& config, DtbSource source) {
    const auto path = zone.find("dtb_filepath");
    const bool has_file = source == DtbSource::file || source == DtbSource::patch;
    if (has_file && path && is_no_file(*path)) {
        path->problem("there has to be a device tree here; expected the path of a file");
    } else if (has_file) {
        read_image(zone, ImageRole::dtb, "dtb_filepath", "dtb_load_paddr", config.dtb_load_paddr,
                   config.images);
        return;
    } else if (path && !is_no_file(*path)) {
        path->problem(
            std::format(R"(this file is not used with "dtb": "{}"; remove it, or write "file" or "patch")",
                        source == DtbSource::none ? "none" : "generate"));
    }
    if (source == DtbSource::generate) {
        zone.read("dtb_load_paddr", config.dtb_load_paddr);
    } else if (const auto address = zone.find("dtb_load_paddr")) {
        address->read(config.dtb_load_paddr);
    }
}

/// The kernel learns of both from the device tree.
void require_made_dtb(const ConfigReader& value, DtbSource source) {
    if (source != DtbSource::patch && source != DtbSource::generate) {
        value.problem(
            R"(the guest learns of this from its device tree; expected "dtb": "patch" or "generate" beside it)");
    }
}

void read_initrd(const ConfigReader& zone, ZoneConfig& config, DtbSource source) {
    const auto path = zone.find("initrd_filepath");
    const auto address = zone.find("initrd_load_paddr");
    if (path || address) {
        std::uint64_t load_paddr = 0;
        read_image(zone, ImageRole::initrd, "initrd_filepath", "initrd_load_paddr", load_paddr,
                   config.images);
        require_made_dtb(path ? *path : *address, source);
    }
}

void read_cmdline(const ConfigReader& zone, StartOptions& start) {
    const auto value = zone.find("cmdline");
    if (!value) {
        return;
    }
    start.cmdline = value->string("the kernel's command line").value_or("");
    if (start.cmdline.size() > longest_cmdline) {
        value->problem(std::format("the command line is {} bytes long; expected at most {}",
                                   start.cmdline.size(), longest_cmdline));
    }
    require_made_dtb(*value, start.dtb);
}

/// What there is only with a device tree, which guests on x86_64 do not have.
void read_dtb_options(const ConfigReader& zone, ZoneConfig& config, StartOptions& start) {
    const auto source = read_dtb_source(zone);
    if (!source) {
        zone.ignore_other_keys(); // which of them belong here is not known
        return;
    }
    start.dtb = *source;
    read_dtb(zone, config, *source);
    read_initrd(zone, config, *source);
    read_cmdline(zone, start);
}

void read_keeping(const ConfigReader& zone, StartOptions& start) {
    constexpr std::array policies{
        std::pair{std::string_view("never"), RestartPolicy::never},
        std::pair{std::string_view("on-failure"), RestartPolicy::on_failure},
        std::pair{std::string_view("always"), RestartPolicy::always},
    };
    if (const auto restart = zone.find("restart")) {
        start.restart =
            read_word(*restart, policies, R"("never", "on-failure" or "always")").value_or(start.restart);
    }
    if (const auto clear = zone.find("clear_ram")) {
        start.clear_ram = clear->boolean();
    }
}

} // namespace

bool read_image(const ConfigReader& parent, ImageRole role, std::string_view path_name,
                std::string_view address_name, std::uint64_t& load_paddr, std::vector<ImageFile>& images) {
    parent.read(address_name, load_paddr);
    const auto value = parent.require(path_name, R"(the path of a file, or "null" for none)");
    if (!value) {
        return false;
    }
    const auto path = value->string(R"(the path of a file, or "null" for none)");
    if (path && path->empty()) {
        value->problem(R"(the path is empty; expected the path of a file, or "null" for none)");
    } else if (path && *path != no_file) {
        images.push_back({role, *path, load_paddr, value->pointer(), parent.key(address_name)});
        return true;
    }
    return false;
}

void read_start_options(const ConfigReader& zone, ZoneConfig& config, StartOptions& start) {
    const bool is_x86 = std::holds_alternative<X8664Config>(config.arch);
    if (zone.form() == Form::upstream) {
        if (is_x86) { // no device tree there: the path is not looked at
            static_cast<void>(zone.find("dtb_filepath"));
            zone.read("dtb_load_paddr", config.dtb_load_paddr);
            return;
        }
        const bool has_dtb = read_image(zone, ImageRole::dtb, "dtb_filepath", "dtb_load_paddr",
                                        config.dtb_load_paddr, config.images);
        start.dtb = has_dtb ? DtbSource::file : DtbSource::none;
        return;
    }
    if (!is_x86) {
        read_dtb_options(zone, config, start);
    }
    read_keeping(zone, start);
}

} // namespace hvisor::zone
