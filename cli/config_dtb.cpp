// SPDX-License-Identifier: Apache-2.0
#include "command.hpp"

#include "base/error_table.hpp"
#include "files.hpp"
#include "zone/config_files.hpp"
#include "zone/device_tree.hpp"
#include "zone/zone_device_tree.hpp"
#include "zone/zone_file.hpp"

#include <CLI/CLI.hpp>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <format>
#include <fstream>
#include <memory>
#include <string>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <vector>

namespace hvisor::cli {
namespace {

namespace fs = std::filesystem;

std::unexpected<Failure> fail_file(const zone::ZoneFile& zone, const zone::ImageFile& file,
                                   std::error_code error) {
    return fail(Error{.code = error_code_of_errno(error.value()),
                      .message = std::format("{}: {}: {}", zone.document.locate(file.path_key), file.path,
                                             error.message())});
}

fs::path path_of(const zone::ZoneFile& zone, const zone::ImageFile& file) {
    return fs::path(zone.document.name()).parent_path() / file.path;
}

/// The blob that the zone's file names, no longer than one may be; none where it names none.
Outcome<std::vector<std::byte>> read_source(const zone::ZoneFile& zone) {
    std::vector<std::byte> blob;
    const zone::ImageFile* file = zone.config.image(zone::ImageRole::dtb);
    if (file == nullptr) {
        return blob;
    }
    errno = 0;
    std::ifstream stream(path_of(zone, *file), std::ios::binary);
    blob.resize(zone::max_device_tree_size + 1);
    stream.read(reinterpret_cast<char*>(blob.data()), static_cast<std::streamsize>(blob.size()));
    if (stream.bad() || !stream.eof()) {
        return fail_file(zone, *file, std::error_code(errno != 0 ? errno : EFBIG, std::generic_category()));
    }
    blob.resize(static_cast<std::size_t>(stream.gcount()));
    return blob;
}

Outcome<zone::ZoneFile> read_zone(const std::string& name_or_file) {
    Result<zone::ConfigFiles> files;
    if (names_a_file(name_or_file)) {
        auto text = read_config(name_or_file);
        if (!text) {
            return std::unexpected(std::move(text.error()));
        }
        files->zone = std::move(*text);
    } else {
        files = zone::find_config(zone::config_directories(), name_or_file);
    }
    auto zone = std::move(files).and_then(zone::merge_config).and_then([](zone::JsonDocument document) {
        return zone::read_zone_file(std::move(document));
    });
    if (!zone) {
        return fail(std::move(zone).error());
    }
    return std::move(*zone);
}

Outcome<void> print_device_tree(const std::string& name_or_file) {
    const auto zone = read_zone(name_or_file);
    if (!zone) {
        return std::unexpected(zone.error());
    }
    auto blob = read_source(*zone);
    if (!blob) {
        return std::unexpected(std::move(blob).error());
    }
    if (zone->start.dtb == zone::DtbSource::patch || zone->start.dtb == zone::DtbSource::generate) {
        std::uintmax_t initrd_size = 0;
        if (const zone::ImageFile* initrd = zone->config.image(zone::ImageRole::initrd)) {
            std::error_code error;
            initrd_size = fs::file_size(path_of(*zone, *initrd), error);
            if (error) {
                return fail_file(*zone, *initrd, error);
            }
        }
        auto made = zone::zone_device_tree(*zone, *blob, initrd_size);
        if (!made) {
            return fail(std::move(made).error());
        }
        blob = std::move(*made);
    }
    if (blob->empty()) {
        return fail(Error{.code = ErrorCode::not_found,
                          .message = std::format(
                              R"({}: this zone gets no device tree; "dtb": "generate" would make it one)",
                              zone->document.name())});
    }
    std::fwrite(blob->data(), 1, blob->size(), stdout);
    return {}; // main() says when that could not be written
}

} // namespace

void add_config_dtb(CLI::App& config, Command& command) {
    auto zone = std::make_shared<std::string>();
    auto* verb = config.add_subcommand("dtb", "Print the device tree blob that a zone gets");
    verb->add_option("zone", *zone, "A zone JSON file, or the name of a configured zone")
        ->type_name("FILE|NAME")
        ->required();
    verb->callback([&command, zone] {
        if (isatty(STDOUT_FILENO) == 1) {
            throw CLI::ValidationError("dtb", "writes a blob: add | dtc -I dtb -O dts, or > FILE");
        }
        command = [zone](Client&) { return print_device_tree(*zone); };
    });
}

} // namespace hvisor::cli
