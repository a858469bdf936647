// SPDX-License-Identifier: Apache-2.0
#include "daemon.hpp"

#include <algorithm>
#include <array>
#include <catch2/catch_test_macros.hpp>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <poll.h>
#include <set>
#include <sstream>
#include <stdexcept>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <utility>

namespace hvisor::test {
namespace {

int listen_for_notifications(const std::string& path) {
    const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (fd < 0 || path.size() >= sizeof address.sun_path) {
        throw std::runtime_error("no notification socket");
    }
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    if (bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        throw std::runtime_error("cannot bind the notification socket");
    }
    return fd;
}

} // namespace

std::string program(const char* name) {
    const char* path = std::getenv(name);
    if (path == nullptr) {
        throw std::runtime_error(std::string(name) + " is not set: run this by meson test");
    }
    return path;
}

Daemon::Daemon(Reach reach, const std::vector<std::string>& configured,
               const std::vector<std::string>& options)
    : reach_(reach),
      notify_socket_(listen_for_notifications(files_.path("notify"))),
      listener_([this](const std::stop_token& stop) { listen(stop); }) {
    for (const std::string& name : configured) {
        files_.configure(name);
    }
    std::vector<std::string> command{program("HVISORD"), "--simulated",
                                     "--config-dir=" + files_.path("configured")};
    if (reach != Reach::socket) {
        command.emplace_back("--bus=session");
    }
    if (reach != Reach::bus) {
        command.push_back("--listen=" + socket());
    }
    command.insert(command.end(), options.begin(), options.end());
    process_ = std::make_unique<Process>(
        std::move(command), files_.path("hvisord.out"), files_.path("hvisord.log"),
        std::vector<std::string>{"NOTIFY_SOCKET=" + files_.path("notify"), "WATCHDOG_USEC=2000000",
                                 "DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nonexistent"});
    INFO(log());
    REQUIRE(eventually([this] { return notifications().contains("READY=1"); }));
}

Daemon::~Daemon() {
    if (!is_stopped_) {
        const int status = stop();
        INFO(log());
        CHECK(status == 0);
    }
    listener_.request_stop();
    listener_.join();
    close(notify_socket_);
}

std::string Daemon::log() const {
    return read_file(files_.path("hvisord.log"));
}

std::string Daemon::notifications() {
    const std::lock_guard guard(lock_);
    return notifications_;
}

std::string Daemon::status() {
    const std::string all = notifications();
    const auto begin = all.rfind("STATUS=");
    return begin == std::string::npos ? "" : all.substr(begin + 7, all.find('\n', begin) - begin - 7);
}

// All the time, as a service manager does: the socket holds few messages, and
// then the sender waits.
void Daemon::listen(const std::stop_token& stop) {
    std::array<char, 4096> buffer{};
    while (!stop.stop_requested()) {
        pollfd event = {.fd = notify_socket_, .events = POLLIN, .revents = 0};
        if (poll(&event, 1, 50) != 1) {
            continue;
        }
        const auto count = recv(notify_socket_, buffer.data(), buffer.size(), 0);
        const std::lock_guard guard(lock_);
        notifications_.append(buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
        notifications_ += '\n';
    }
}

std::size_t Daemon::open_files() const {
    const std::filesystem::directory_iterator fds("/proc/" + std::to_string(pid()) + "/fd");
    return static_cast<std::size_t>(std::distance(begin(fds), end(fds)));
}

std::size_t Daemon::open_streams() const {
    std::set<std::string> streams;
    std::ifstream sockets("/proc/net/unix");
    for (std::string line; std::getline(sockets, line);) {
        std::istringstream columns(line);
        std::string skipped;
        std::string type;
        std::string inode;
        columns >> skipped >> skipped >> skipped >> skipped >> type >> skipped >> inode;
        if (type == "0001") { // SOCK_STREAM
            streams.insert("socket:[" + inode + "]");
        }
    }
    const std::filesystem::directory_iterator fds("/proc/" + std::to_string(pid()) + "/fd");
    return static_cast<std::size_t>(std::ranges::count_if(fds, [&](const auto& fd) {
        std::error_code closed_meanwhile;
        return streams.contains(std::filesystem::read_symlink(fd.path(), closed_meanwhile).native());
    }));
}

int Daemon::stop() {
    is_stopped_ = true;
    process_->signal(SIGTERM);
    return process_->wait();
}

Finished Daemon::ctl(const std::vector<std::string>& arguments, int input) const {
    std::vector<std::string> command = {program("HVISORCTL"),
                                        reach_ == Reach::socket ? "--address=" + socket() : "--bus=session"};
    command.insert(command.end(), arguments.begin(), arguments.end());
    Process process(command, files_.path("ctl.out"), files_.path("ctl.err"), {}, input);
    Finished finished;
    finished.status = process.wait(std::chrono::seconds(60));
    finished.output = read_file(files_.path("ctl.out"));
    finished.errors = read_file(files_.path("ctl.err"));
    return finished;
}

} // namespace hvisor::test
