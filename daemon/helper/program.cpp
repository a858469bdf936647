// SPDX-License-Identifier: Apache-2.0
#include "helper/program.hpp"

#include "base/errno_text.hpp"
#include "base/error.hpp"
#include "base/unix_address.hpp"

#include <CLI/CLI.hpp>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <exception>
#include <format>
#include <grp.h>
#include <print>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace hvisor::helper {
namespace {

constexpr int exit_usage = 2;

struct Options {
    std::string listen;
    std::string user = "nobody";
};

/// What is found at the path listens: hvisord may connect the moment it is there.
Result<UniqueFd> listen_for_hvisord(const std::string& path) {
    const auto fresh = path + ".new";
    const auto address = unix_address(fresh);
    if (!address) {
        return std::unexpected(Error(address.error()).with_context("--listen"));
    }
    constexpr mode_t for_its_user = 0177;
    ::umask(for_its_user);
    static_cast<void>(::unlink(fresh.c_str()));
    UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    if (!socket || ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0 ||
        ::listen(socket.get(), SOMAXCONN) != 0 || ::rename(fresh.c_str(), path.c_str()) != 0) {
        return fail(ErrorCode::io_error, "--listen {}: {}", path, errno_text());
    }
    return socket;
}

/// Whoever does a helper's work is nobody, and stays so.
Result<void> drop_privileges(const std::string& name, const std::string& kept_group) {
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
    std::vector<gid_t> groups;
    // NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread
    if (const auto* group = kept_group.empty() ? nullptr : ::getgrnam(kept_group.c_str())) {
        groups.push_back(group->gr_gid);
    }
    if (::setgroups(groups.size(), groups.data()) != 0 ||
        ::setresgid(user->pw_gid, user->pw_gid, user->pw_gid) != 0 ||
        ::setresuid(user->pw_uid, user->pw_uid, user->pw_uid) != 0) {
        return fail(ErrorCode::not_permitted, "--user {}: {}", name, errno_text());
    }
    return {};
}

/// Without a service manager: a process for each connection.
Result<int> serve_all(const Program& program, const Options& options) {
    auto listener = listen_for_hvisord(options.listen);
    if (!listener) {
        return std::unexpected(std::move(listener).error());
    }
    if (auto dropped = drop_privileges(options.user, program.group); !dropped) {
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
            return program.serve(std::move(hvisord));
        }
    }
}

Result<int> serve(const Program& program, const Options& options) {
    // Nobody asks how a process has ended.
    static_cast<void>(std::signal(SIGCHLD, SIG_IGN));
    static_cast<void>(std::signal(SIGPIPE, SIG_IGN));
    if (!options.listen.empty()) {
        return serve_all(program, options);
    }
    if (sd_listen_fds(1) != 1 || sd_is_socket(SD_LISTEN_FDS_START, AF_UNIX, SOCK_SEQPACKET, 0) <= 0) {
        return fail(ErrorCode::invalid_config,
                    "no connection of hvisord's: {} starts this, or --listen PATH without systemd",
                    program.unit);
    }
    if (auto dropped = drop_privileges(options.user, program.group); !dropped) {
        return std::unexpected(std::move(dropped).error());
    }
    return program.serve(UniqueFd(SD_LISTEN_FDS_START));
}

int run_with_options(const Program& program, int argc, char** argv) {
    Options options;
    CLI::App app(program.purpose, program.name);
    app.set_version_flag("--version", program.name + " " HVISORD_VERSION, "Print the version");
    app.set_help_flag("-h,--help", "Print this help");
    app.add_option("--listen", options.listen,
                   std::format("Wait for hvisord at a socket here, without a service manager: its {} in "
                               "/run/hvisor or $RUNTIME_DIRECTORY",
                               program.socket))
        ->type_name("PATH");
    app.add_option("--user", options.user, "Who to be when started by root; nobody without it")
        ->type_name("NAME");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : exit_usage;
    }
    const auto status = serve(program, options);
    if (!status) {
        std::println(stderr, "{}: {}", program.name, status.error().message);
        return 1;
    }
    return *status;
}

} // namespace

int run(const Program& program, int argc, char** argv) {
    try {
        return run_with_options(program, argc, argv);
    } catch (const std::exception& error) {
        static_cast<void>(std::fprintf(stderr, "%s: %s\n", program.name.c_str(), error.what()));
        return 1;
    }
}

} // namespace hvisor::helper
