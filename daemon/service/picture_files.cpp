// SPDX-License-Identifier: Apache-2.0
#include "service/picture_files.hpp"

#include "base/errno_text.hpp"

#include <cerrno>
#include <cstdint>
#include <fcntl.h>
#include <format>
#include <string>
#include <sys/stat.h>
#include <utility>

namespace hvisor::service {
namespace {

/// Some thirty pictures of usual screens.
constexpr std::uint64_t most_bytes = std::uint64_t{128} << 20;

/// Whether anybody else has the file open, or on its way in a message: then the
/// kernel gives no lease of it (fcntl(2), F_SETLEASE).
bool is_held(int file) {
    const bool is_refused = ::fcntl(file, F_SETLEASE, F_WRLCK) != 0 && errno == EAGAIN;
    static_cast<void>(::fcntl(file, F_SETLEASE, F_UNLCK));
    return is_refused;
}

std::uint64_t size_of(int file) {
    struct stat status{};
    return ::fstat(file, &status) == 0 ? static_cast<std::uint64_t>(status.st_size) : 0;
}

/// With an offset of its own.
UniqueFd open_again(int file) {
    const std::string path = std::format("/proc/self/fd/{}", file);
    return UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
}

} // namespace

Result<void> PictureFiles::check_room() {
    std::erase_if(out_, [](const UniqueFd& file) { return !is_held(file.get()); });
    std::uint64_t bytes = 0;
    for (const UniqueFd& file : out_) {
        bytes += size_of(file.get());
    }
    if (bytes >= most_bytes) {
        return fail(
            ErrorCode::resource_busy,
            "programs have {} screenshots open, {} MiB of memory; try again when they have closed some",
            out_.size(), bytes >> 20U);
    }
    return {};
}

Result<UniqueFd> PictureFiles::hand_out(const UniqueFd& file) {
    UniqueFd theirs = open_again(file.get());
    UniqueFd ours = open_again(file.get());
    if (!theirs || !ours) {
        return fail(ErrorCode::io_error, "picture: {}", errno_text());
    }
    out_.push_back(std::move(ours));
    return theirs;
}

} // namespace hvisor::service
