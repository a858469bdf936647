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

Result<std::uint64_t> check_file(int fd, const std::string& path, FileUse use) {
    struct stat status = {};
    if (::fstat(fd, &status) != 0) {
        const int error = errno;
        return fail(error_code_of_errno(error), "{}: {}", path, errno_text(error));
    }
    const bool is_disk = use != FileUse::image;
    const bool is_block_device = is_disk && S_ISBLK(status.st_mode);
    if (!S_ISREG(status.st_mode) && !is_block_device) {
        return fail(ErrorCode::invalid_config, "{}: this is no regular file{}", path,
                    is_disk ? " and no block device" : "");
    }
    if (status.st_size == 0 && !is_block_device) {
        return fail(ErrorCode::invalid_config, "{}: the file is empty", path);
    }
    const int access = ::fcntl(fd, F_GETFL) & O_ACCMODE;
    if (access != O_RDWR && (use == FileUse::disk || access != O_RDONLY)) {
        return fail(ErrorCode::invalid_config, "{}: the caller opened it without the right to {}", path,
                    use == FileUse::disk ? "read and write" : "read");
    }
    return static_cast<std::uint64_t>(status.st_size);
}

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
    const auto size = check_file(file.fd.get(), path, use);
    if (!size) {
        problems.add(pointer, size.error().message, size.error().code);
        return std::nullopt;
    }
    file.size = *size;
    return file;
}

} // namespace hvisor::zone
