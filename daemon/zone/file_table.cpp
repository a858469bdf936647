// SPDX-License-Identifier: Apache-2.0
#include "zone/file_table.hpp"

#include "base/errno_text.hpp"
#include "base/error_table.hpp"

#include <fcntl.h>
#include <filesystem>
#include <format>
#include <sys/stat.h>

namespace hvisor::zone {
namespace {

namespace fs = std::filesystem;

UniqueFd open_or_duplicate(const FileTable& table, const JsonDocument& document, const std::string& path,
                           FileUse use) {
    if (const auto passed = table.files.find(path); passed != table.files.end()) {
        return UniqueFd(::fcntl(passed->second.get(), F_DUPFD_CLOEXEC, 0));
    }
    if (!table.may_open) {
        errno = EBADF;
        return {};
    }
    const fs::path full = fs::path(document.name()).parent_path() / path;
    // Non-blocking, because opening a FIFO would wait for its other end.
    return UniqueFd(
        ::open(full.c_str(), (use == FileUse::disk ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
}

} // namespace

std::optional<OpenFile> open_file(const FileTable& table, const JsonDocument& document,
                                  const std::string& path, const std::string& pointer, FileUse use,
                                  Problems& problems) {
    OpenFile file{.fd = open_or_duplicate(table, document, path, use)};
    if (!file.fd) {
        const int error = errno;
        problems.add(pointer,
                     error == EBADF ? std::format("{}: the caller passed no open file for this path", path)
                                    : std::format("{}: {}", path, errno_text(error)),
                     error == EBADF ? ErrorCode::not_found : error_code_of_errno(error));
        return std::nullopt;
    }
    struct stat status = {};
    if (::fstat(file.fd.get(), &status) != 0) {
        const int error = errno;
        problems.add(pointer, std::format("{}: {}", path, errno_text(error)), error_code_of_errno(error));
        return std::nullopt;
    }
    const bool is_disk = use != FileUse::image;
    const bool is_block_device = is_disk && S_ISBLK(status.st_mode);
    if (!S_ISREG(status.st_mode) && !is_block_device) {
        problems.add(pointer, std::format("{}: this is no regular file{}", path,
                                          is_disk ? " and no block device" : ""));
        return std::nullopt;
    }
    if (status.st_size == 0 && !is_block_device) {
        problems.add(pointer, std::format("{}: the file is empty", path));
        return std::nullopt;
    }
    const int access = ::fcntl(file.fd.get(), F_GETFL) & O_ACCMODE;
    if (access != O_RDWR && (use == FileUse::disk || access != O_RDONLY)) {
        problems.add(pointer, std::format("{}: the caller opened it without the right to {}", path,
                                          use == FileUse::disk ? "read and write" : "read"));
        return std::nullopt;
    }
    file.size = static_cast<std::uint64_t>(status.st_size);
    return file;
}

} // namespace hvisor::zone
