// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/same_file.hpp"
#include "base/unique_fd.hpp"
#include "base/unix_address.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <format>
#include <mutex>
#include <poll.h>
#include <spawn.h>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

namespace hvisor::kit {

/// Starts a daemon and keeps its files for the next one, as systemd does
/// (sd_pid_notify_with_fds(3), sd_listen_fds_with_names(3)).
class ServiceManager {
  public:
    /// `folder` is where its socket and the daemon's log go.
    ServiceManager(std::vector<std::string> command, std::string folder, bool keeps_files,
                   std::vector<std::string> environment = {})
        : keeps_files_(keeps_files),
          command_(std::move(command)),
          folder_(std::move(folder)),
          environment_(std::move(environment)) {
        const auto address = unix_address(folder_ + "/notify").value();
        const int on = 1;
        if (::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
            ::setsockopt(socket_.get(), SOL_SOCKET, SO_PASSCRED, &on, sizeof on) != 0) {
            throw std::runtime_error("cannot listen at " + folder_ + "/notify");
        }
        thread_ = std::jthread([this](const std::stop_token& stopped) { listen(stopped); });
    }
    ServiceManager(const ServiceManager&) = delete;
    ServiceManager& operator=(const ServiceManager&) = delete;
    ServiceManager(ServiceManager&&) = delete;
    ServiceManager& operator=(ServiceManager&&) = delete;
    ~ServiceManager() {
        if (process_ > 0) {
            end(SIGKILL);
        }
    }

    /// Start it, with all that is kept.
    void start() {
        const std::scoped_lock guard(lock_);
        is_ready_ = false;
        const auto count = static_cast<int>(files_.size());
        auto environment = environment_;
        environment.push_back("NOTIFY_SOCKET=" + folder_ + "/notify");
        environment.push_back(std::format("FDSTORE={}", keeps_files_ ? most_files : 0));
        posix_spawn_file_actions_t actions;
        ::posix_spawn_file_actions_init(&actions);
        ::posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log_path().c_str(),
                                           O_WRONLY | O_CREAT | O_APPEND, 0600);
        ::posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
        // From above, as one may be where another one goes.
        std::vector<UniqueFd> copies;
        std::string names;
        for (int i = 0; i < count; ++i) {
            const auto& file = files_.at(static_cast<std::size_t>(i));
            copies.emplace_back(::fcntl(file.fd.get(), F_DUPFD_CLOEXEC, first_file + count));
            ::posix_spawn_file_actions_adddup2(&actions, copies.back().get(), first_file + i);
            names += (names.empty() ? "" : ":") + file.name;
        }
        if (count != 0) {
            environment.push_back(std::format("LISTEN_FDS={}", count));
            environment.push_back("LISTEN_FDNAMES=" + names);
        }
        for (char** entry = environ; *entry != nullptr; ++entry) {
            environment.emplace_back(*entry);
        }
        // LISTEN_PID is known to nobody else before.
        std::vector<std::string> arguments{"/bin/sh", "-c", "LISTEN_PID=$$ exec \"$0\" \"$@\""};
        arguments.insert(arguments.end(), command_.begin(), command_.end());
        const int error = ::posix_spawn(&process_, "/bin/sh", &actions, nullptr,
                                        pointers_to(arguments).data(), pointers_to(environment).data());
        ::posix_spawn_file_actions_destroy(&actions);
        if (error != 0) {
            throw std::runtime_error("cannot start " + command_.front());
        }
    }
    /// End it by this signal; its wait status.
    int end(int signal) {
        ::kill(process_, signal);
        int status = 0;
        ::waitpid(std::exchange(process_, -1), &status, 0);
        return status;
    }
    /// Have it start itself again, in the same process; wait_until_ready() is about that one then.
    void have_it_start_again(int signal) {
        const std::scoped_lock guard(lock_);
        is_ready_ = false;
        ::kill(process_, signal);
    }
    /// READY=1 has come from the one that was started last.
    [[nodiscard]] bool wait_until_ready(std::chrono::seconds limit) {
        std::unique_lock guard(lock_);
        return changed_.wait_for(guard, limit, [this] { return is_ready_; });
    }
    [[nodiscard]] pid_t process() const { return process_; }
    [[nodiscard]] std::size_t kept() const {
        const std::scoped_lock guard(lock_);
        return files_.size();
    }
    [[nodiscard]] std::string log_path() const { return folder_ + "/daemon.log"; }

  private:
    struct File {
        std::string name;
        UniqueFd fd;
    };

    /// What exec() wants: each text, then null.
    static std::vector<char*> pointers_to(std::vector<std::string>& texts) {
        std::vector<char*> pointers;
        for (auto& text : texts) {
            pointers.push_back(text.data());
        }
        pointers.push_back(nullptr);
        return pointers;
    }

    void listen(const std::stop_token& stopped) {
        while (!stopped.stop_requested()) {
            pollfd event{.fd = socket_.get(), .events = POLLIN, .revents = 0};
            if (::poll(&event, 1, 50) == 1) {
                take_message();
            }
        }
    }

    void take_message() {
        std::array<char, 4096> text{};
        iovec part{.iov_base = text.data(), .iov_len = text.size()};
        alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(ucred))> control{};
        msghdr message{};
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        const auto length = ::recvmsg(socket_.get(), &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
        if (length < 0) {
            return;
        }
        UniqueFd file;
        pid_t sender = -1;
        for (auto* one = CMSG_FIRSTHDR(&message); one != nullptr; one = CMSG_NXTHDR(&message, one)) {
            if (one->cmsg_level == SOL_SOCKET && one->cmsg_type == SCM_RIGHTS) {
                int fd = -1;
                std::memcpy(&fd, CMSG_DATA(one), sizeof fd);
                file.reset(fd);
            } else if (one->cmsg_level == SOL_SOCKET && one->cmsg_type == SCM_CREDENTIALS) {
                ucred credentials{};
                std::memcpy(&credentials, CMSG_DATA(one), sizeof credentials);
                sender = credentials.pid;
            }
        }
        obey({text.data(), static_cast<std::size_t>(length)}, std::move(file), sender);
    }

    void obey(std::string_view text, UniqueFd file, pid_t sender) {
        constexpr std::string_view name_key = "FDNAME=";
        const std::scoped_lock guard(lock_);
        std::string name;
        if (const auto at = text.find(name_key); at != std::string_view::npos) {
            name = text.substr(at + name_key.size(), text.find('\n', at) - at - name_key.size());
        }
        if (text.contains("FDSTOREREMOVE=1")) {
            std::erase_if(files_, [&name](const File& kept) { return kept.name == name; });
        } else if (text.contains("FDSTORE=1") && file && !has(name, file.get())) {
            files_.push_back({.name = std::move(name), .fd = std::move(file)});
        }
        if (text.contains("BARRIER=1")) {
            file.reset(); // who waits for that sees it closed
        }
        if (text.contains("READY=1") && sender == process_) {
            is_ready_ = true;
            changed_.notify_all();
        }
    }

    /// systemd keeps no file twice.
    [[nodiscard]] bool has(const std::string& name, int fd) const {
        return std::ranges::any_of(
            files_, [&](const File& kept) { return kept.name == name && is_same_file(kept.fd.get(), fd); });
    }

    static constexpr int first_file = 3;
    static constexpr int most_files = 4096;

    const bool keeps_files_;
    std::vector<std::string> command_;
    const std::string folder_;
    const std::vector<std::string> environment_;
    UniqueFd socket_{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    pid_t process_ = -1;
    mutable std::mutex lock_; ///< what follows
    std::condition_variable changed_;
    std::vector<File> files_;
    bool is_ready_ = false;
    std::jthread thread_;
};

} // namespace hvisor::kit
