// SPDX-License-Identifier: Apache-2.0
#include "files.hpp"

#include "base/error_table.hpp"
#include "zone/file_references.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <format>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace hvisor::cli {
namespace {

// Far above any configuration, far below what a bus takes as one message.
constexpr std::size_t max_config_size = std::size_t{1} << 20U;

std::unexpected<Failure> fail_errno(std::string_view what, int error) {
    return fail(Error{.code = error_code_of_errno(error),
                      .message = std::format("{}: {}", what, std::strerror(error))});
}

Outcome<std::string> read_text(const std::filesystem::path& path) {
    const sdbus::UnixFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY), sdbus::adopt_fd);
    if (!fd.isValid()) {
        return fail_errno(path.native(), errno);
    }
    std::string text;
    std::array<char, 16384> buffer{};
    for (;;) {
        const auto count = read(fd.get(), buffer.data(), buffer.size());
        if (count < 0) {
            return fail_errno(path.native(), errno);
        }
        if (count == 0) {
            return text;
        }
        text.append(buffer.data(), static_cast<std::size_t>(count));
        if (text.size() > max_config_size) {
            return fail(Error{
                .code = ErrorCode::invalid_config,
                .message = std::format("{}: larger than 1 MiB, so hardly a configuration", path.native())});
        }
    }
}

} // namespace

bool names_a_file(const std::string& argument) {
    return argument.contains('/') || argument.ends_with(".json");
}

Outcome<zone::ConfigText> read_config(const std::filesystem::path& path) {
    auto text = read_text(path);
    if (!text) {
        return std::unexpected(std::move(text.error()));
    }
    return zone::ConfigText{.name = path.native(), .text = std::move(*text)};
}

namespace {

Outcome<OpenedConfig> open_references(const zone::ConfigText& text,
                                      Result<std::vector<zone::FileReference>> references) {
    if (!references) {
        return fail(std::move(references.error()));
    }

    OpenedConfig config{.name = text.name, .text = text.text, .files = {}};
    for (const auto& reference : *references) {
        const auto file = std::filesystem::path(text.name).parent_path() / reference.path;
        const int mode = reference.writable ? O_RDWR : O_RDONLY;
        sdbus::UnixFd fd(open(file.c_str(), mode | O_CLOEXEC | O_NOCTTY), sdbus::adopt_fd);
        if (!fd.isValid()) {
            return fail_errno(std::format("{}: cannot open {}", reference.location, file.native()), errno);
        }
        config.files.insert_or_assign(reference.path, std::move(fd));
    }
    return config;
}

} // namespace

Outcome<OpenedConfig> open_files(const zone::ConfigText& text) {
    return open_references(text, zone::referenced_files(text));
}

Outcome<OpenedConfig> open_device_files(const zone::ConfigText& text) {
    return open_references(text, zone::files_of_device(text));
}

Outcome<sdbus::UnixFd> open_disk(const std::filesystem::path& path, bool read_only) {
    sdbus::UnixFd image(open(path.c_str(), (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOCTTY),
                        sdbus::adopt_fd);
    if (!image.isValid()) {
        return fail_errno(path.native(), errno);
    }
    return image;
}

Outcome<OpenedConfig> open_config(const std::filesystem::path& path) {
    const auto text = read_config(path);
    if (!text) {
        return std::unexpected(text.error());
    }
    return open_files(*text);
}

Outcome<std::map<std::string, sdbus::UnixFd>> merge_files(OpenedConfig& zone, OpenedConfig& virtio) {
    auto files = std::move(virtio.files);
    for (auto& [path, fd] : zone.files) {
        const auto [other, is_new] = files.try_emplace(path, std::move(fd));
        if (is_new) {
            continue;
        }
        // One table cannot tell two files of one name apart; the same file is
        // fine, and stays open as the virtio configuration needs it.
        struct stat ours{};
        struct stat theirs{};
        if (fstat(fd.get(), &ours) != 0 || fstat(other->second.get(), &theirs) != 0 ||
            std::pair(ours.st_dev, ours.st_ino) != std::pair(theirs.st_dev, theirs.st_ino)) {
            return fail(Error{
                .code = ErrorCode::invalid_config,
                .message = std::format("{} and {} both name '{}' and mean different files: write one of "
                                       "them as an absolute path",
                                       zone.name, virtio.name, path)});
        }
    }
    return files;
}

} // namespace hvisor::cli
