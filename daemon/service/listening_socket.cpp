// SPDX-License-Identifier: Apache-2.0
#include "service/listening_socket.hpp"

#include "base/errno_text.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <grp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>
#include <utility>

namespace hvisor::service {
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
        return fail(ErrorCode::resource_busy, "--listen {}: there is a file that is no socket: remove it",
                    path);
    }
    const UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!probe) {
        return fail(ErrorCode::io_error, "--listen {}: {}", path, errno_text());
    }
    // A full backlog is somebody's, too.
    if (::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ||
        errno == EAGAIN) {
        return fail(ErrorCode::resource_busy, "--listen {}: another program listens there (another hvisord?)",
                    path);
    }
    if (::unlink(path.c_str()) != 0) {
        return fail(ErrorCode::io_error, "--listen {}: cannot remove the old socket: {}", path, errno_text());
    }
    return {};
}

} // namespace

std::optional<gid_t> control_group() {
    const auto* group = ::getgrnam("hvisor"); // NOLINT(concurrency-mt-unsafe): before any other thread asks
    return group != nullptr ? std::optional(group->gr_gid) : std::nullopt;
}

Result<std::optional<ListeningSocket>> ListeningSocket::open(const std::string& path) {
    if (sd_listen_fds(1) > 0) {
        return passed(SD_LISTEN_FDS_START);
    }
    if (path.empty()) {
        return std::nullopt;
    }
    return made(path);
}

Result<std::optional<ListeningSocket>> ListeningSocket::passed(int fd) {
    ListeningSocket socket(UniqueFd(fd), "");
    if (sd_is_socket(fd, AF_UNIX, SOCK_STREAM, 1) <= 0) {
        return fail(ErrorCode::invalid_config,
                    "the service manager passed something that is no listening Unix stream socket: "
                    "hvisord.socket needs one ListenStream= with a path");
    }
    if (::fcntl(fd, F_SETFL, O_NONBLOCK) != 0) {
        return fail(ErrorCode::io_error, "the service manager's socket: {}", errno_text());
    }
    return socket;
}

Result<std::optional<ListeningSocket>> ListeningSocket::made(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) {
        return fail(ErrorCode::invalid_config, "--listen {}: a socket's path has at most {} bytes", path,
                    sizeof address.sun_path - 1);
    }
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    if (auto removed = remove_stale(path, address); !removed) {
        return std::unexpected(std::move(removed).error());
    }
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd || ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        return fail(ErrorCode::io_error, "--listen {}: {}", path, errno_text());
    }
    ListeningSocket socket(std::move(fd), path);
    // Nobody can connect before listen(), so nobody meets another mode.
    const auto group = control_group();
    if (::chmod(path.c_str(), socket_mode) != 0 ||
        (group && ::geteuid() == 0 && ::chown(path.c_str(), static_cast<uid_t>(-1), *group) != 0) ||
        ::listen(socket.fd(), backlog) != 0) {
        return fail(ErrorCode::io_error, "--listen {}: {}", path, errno_text());
    }
    return socket;
}

ListeningSocket::ListeningSocket(ListeningSocket&& other) noexcept
    : fd_(std::move(other.fd_)), path_(std::exchange(other.path_, {})) {}

ListeningSocket::~ListeningSocket() {
    if (fd_ && !path_.empty()) {
        ::unlink(path_.c_str());
    }
}

} // namespace hvisor::service
