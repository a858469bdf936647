// SPDX-License-Identifier: Apache-2.0
#include "base/unix_listener.hpp"

#include "base/errno_text.hpp"
#include "base/log.hpp"
#include "base/unix_address.hpp"

#include <cerrno>
#include <cstddef>
#include <grp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace hvisor {
namespace {

// As many as the kernel allows: who finds it full and does not wait, as sd-bus, fails.
constexpr int backlog = SOMAXCONN;
constexpr mode_t socket_mode = 0660;

/// What a program that ended without a word left behind must not stop the next.
Result<void> remove_stale(const std::string& path, const sockaddr_un& address) {
    struct stat status{};
    if (::lstat(path.c_str(), &status) != 0) {
        return {}; // bind() says what else is wrong
    }
    if (!S_ISSOCK(status.st_mode)) {
        return fail(ErrorCode::resource_busy, "{}: there is a file that is no socket: remove it", path);
    }
    const UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!probe) {
        return fail(ErrorCode::io_error, "{}: {}", path, errno_text());
    }
    // A full backlog is somebody's, too.
    if (::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ||
        errno == EAGAIN) {
        return fail(ErrorCode::resource_busy, "{}: another program listens there (another hvisord?)", path);
    }
    if (::unlink(path.c_str()) != 0) {
        return fail(ErrorCode::io_error, "{}: cannot remove the old socket: {}", path, errno_text());
    }
    return {};
}

/// A folder with the set-group-ID bit does it alone, and where a service is not
/// allowed to the socket stays root's.
void give_to_group(const std::string& path) {
    const auto group = control_group();
    struct stat status{};
    if (group && ::stat(path.c_str(), &status) == 0 && status.st_gid != *group && ::geteuid() == 0 &&
        ::chown(path.c_str(), static_cast<uid_t>(-1), *group) != 0) {
        log::warning("{}: cannot be given to the group hvisor, and is root's alone: {}", path, errno_text());
    }
}

} // namespace

std::optional<gid_t> control_group() {
    constexpr std::size_t most = 65536;
    std::vector<char> text(most);
    group entry{};
    group* found = nullptr;
    static_cast<void>(::getgrnam_r("hvisor", &entry, text.data(), text.size(), &found));
    return found != nullptr ? std::optional(found->gr_gid) : std::nullopt;
}

Result<UnixListener> UnixListener::open(const std::string& path) {
    const auto address = unix_address(path);
    if (!address) {
        return std::unexpected(address.error());
    }
    if (auto removed = remove_stale(path, *address); !removed) {
        return std::unexpected(std::move(removed).error());
    }
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd || ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0) {
        return fail(ErrorCode::io_error, "{}: {}", path, errno_text());
    }
    UnixListener listener(std::move(fd), path);
    // Nobody can connect before listen(), so nobody meets another mode.
    give_to_group(path);
    if (::chmod(path.c_str(), socket_mode) != 0 || ::listen(listener.fd(), backlog) != 0) {
        return fail(ErrorCode::io_error, "{}: {}", path, errno_text());
    }
    return listener;
}

UnixListener::UnixListener(UnixListener&& other) noexcept
    : fd_(std::move(other.fd_)), path_(std::exchange(other.path_, {})) {}

UnixListener& UnixListener::operator=(UnixListener&& other) noexcept {
    if (this != &other) {
        close();
        fd_ = std::move(other.fd_);
        path_ = std::exchange(other.path_, {});
    }
    return *this;
}

void UnixListener::close() {
    if (fd_) {
        ::unlink(path_.c_str());
        fd_.reset();
    }
}

} // namespace hvisor
