// SPDX-License-Identifier: Apache-2.0
#include "base/errno_text.hpp"
#include "base/error.hpp"
#include "base/unique_fd.hpp"
#include "base/unix_address.hpp"
#include "vnc/display_server.hpp"

#include <CLI/CLI.hpp>

#include <cerrno>
#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <exception>
#include <grp.h>
#include <print>
#include <pwd.h>
#include <rfb/rfb.h>
#include <string>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>
#include <utility>

namespace hvisor::vnc {
namespace {

constexpr int exit_usage = 2;

struct Options {
    std::string listen;
    std::string user = "nobody";
};

Result<UniqueFd> listen_for_hvisord(const std::string& path) {
    const auto address = unix_address(path);
    if (!address) {
        return std::unexpected(Error(address.error()).with_context("--listen"));
    }
    constexpr mode_t for_its_user = 0177;
    ::umask(for_its_user);
    static_cast<void>(::unlink(path.c_str()));
    UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    if (!socket || ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0 ||
        ::listen(socket.get(), SOMAXCONN) != 0) {
        return fail(ErrorCode::io_error, "--listen {}: {}", path, errno_text());
    }
    return socket;
}

/// Whoever serves viewers is nobody, and stays so.
Result<void> drop_privileges(const std::string& name) {
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        return fail(ErrorCode::failed, "cannot give up privileges: {}", errno_text());
    }
    if (::geteuid() != 0) {
        return {};
    }
    const auto* user = ::getpwnam(name.c_str()); // NOLINT(concurrency-mt-unsafe): there is one thread
    if (user == nullptr) {
        return fail(ErrorCode::not_found, "--user {}: there is no such user", name);
    }
    if (::setgroups(0, nullptr) != 0 || ::setresgid(user->pw_gid, user->pw_gid, user->pw_gid) != 0 ||
        ::setresuid(user->pw_uid, user->pw_uid, user->pw_uid) != 0) {
        return fail(ErrorCode::not_permitted, "--user {}: {}", name, errno_text());
    }
    return {};
}

/// Without a service manager: a process for each display, which makes one for each viewer.
Result<int> serve_displays(const Options& options) {
    auto listener = listen_for_hvisord(options.listen);
    if (!listener) {
        return std::unexpected(std::move(listener).error());
    }
    if (auto dropped = drop_privileges(options.user); !dropped) {
        return std::unexpected(std::move(dropped).error());
    }
    for (;;) {
        UniqueFd hvisord(::accept4(listener->get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (!hvisord) {
            if (errno == EINTR || errno == ECONNABORTED) {
                continue;
            }
            return fail(ErrorCode::io_error, "--listen {}: {}", options.listen, errno_text());
        }
        if (::fork() == 0) {
            listener->reset();
            return serve_display(std::move(hvisord));
        }
    }
}

Result<int> serve(const Options& options) {
    // Nobody asks how a process has ended.
    static_cast<void>(std::signal(SIGCHLD, SIG_IGN));
    static_cast<void>(std::signal(SIGPIPE, SIG_IGN));
    if (!options.listen.empty()) {
        return serve_displays(options);
    }
    if (sd_listen_fds(1) != 1 || sd_is_socket(SD_LISTEN_FDS_START, AF_UNIX, SOCK_SEQPACKET, 0) <= 0) {
        return fail(
            ErrorCode::invalid_config,
            "no connection of hvisord's: hvisor-vnc.socket starts this, or --listen PATH without systemd");
    }
    if (auto dropped = drop_privileges(options.user); !dropped) {
        return std::unexpected(std::move(dropped).error());
    }
    return serve_display(UniqueFd(SD_LISTEN_FDS_START));
}

/// libvncserver tells of every connection what it negotiates.
void say_nothing(const char* /*format*/, ...) {} // NOLINT(cert-dcl50-cpp): as the library wants it

int run(int argc, char** argv) {
    Options options;
    CLI::App app("Show screens of zones to VNC viewers, for hvisord", "hvisor-vnc");
    app.set_version_flag("--version", "hvisor-vnc " HVISORD_VERSION, "Print the version");
    app.set_help_flag("-h,--help", "Print this help");
    app.add_option("--listen", options.listen,
                   "Wait for hvisord at a socket here, without a service manager: its vnc-server in "
                   "/run/hvisor or $RUNTIME_DIRECTORY")
        ->type_name("PATH");
    app.add_option("--user", options.user, "Who to be when started by root; nobody without it")
        ->type_name("NAME");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : exit_usage;
    }
    rfbLog = say_nothing;
    rfbErr = say_nothing;
    const auto status = serve(options);
    if (!status) {
        std::println(stderr, "hvisor-vnc: {}", status.error().message);
        return 1;
    }
    return *status;
}

} // namespace
} // namespace hvisor::vnc

int main(int argc, char** argv) {
    try {
        return hvisor::vnc::run(argc, argv);
    } catch (const std::exception& error) {
        static_cast<void>(std::fprintf(stderr, "hvisor-vnc: %s\n", error.what()));
        return 1;
    }
}
