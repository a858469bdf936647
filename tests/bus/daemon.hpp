// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "process.hpp"
#include "zone_files.hpp"

#include <csignal>
#include <cstddef>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

namespace hvisor::test {

/// What a program printed and how it ended.
struct Finished {
    int status = -1;
    std::string output;
    std::string errors;
};

/// How programs reach an hvisord.
enum class Reach {
    bus, ///< the session bus
    both,
    socket, ///< where there is no bus
};

/// An hvisord with a simulated hypervisor and the zones that its ZoneFiles have
/// configured. Runs as long as this object.
class Daemon {
  public:
    explicit Daemon(const std::vector<std::string>& configured = {}) : Daemon(Reach::bus, configured) {}
    /// `options` are further ones of hvisord.
    explicit Daemon(Reach reach, const std::vector<std::string>& configured = {},
                    const std::vector<std::string>& options = {});
    Daemon(const Daemon&) = delete;
    Daemon& operator=(const Daemon&) = delete;
    Daemon(Daemon&&) = delete;
    Daemon& operator=(Daemon&&) = delete;
    /// Ends it; a test fails when that was not in order.
    ~Daemon();

    [[nodiscard]] const ZoneFiles& files() const { return files_; }
    /// Path and D-Bus address of its socket, if it has one.
    [[nodiscard]] std::string socket() const { return files_.path("control"); }
    [[nodiscard]] std::string socket_address() const { return "unix:path=" + socket(); }
    [[nodiscard]] pid_t pid() const { return process_->pid(); }

    /// What it logged so far, and what it told its service manager.
    [[nodiscard]] std::string log() const;
    [[nodiscard]] std::string notifications();
    /// The last of its status lines.
    [[nodiscard]] std::string status();

    [[nodiscard]] std::size_t open_files() const;
    /// Of all its files, the Unix stream sockets: the bus and the consoles.
    [[nodiscard]] std::size_t open_streams() const;

    /// Stop its threads where they are, and let them go on.
    void freeze() const { process_->signal(SIGSTOP); }
    void thaw() const { process_->signal(SIGCONT); }

    /// Ask it to end; its exit status.
    int stop();

    /// Run hvisorctl, by the bus if there is one, with these arguments. `input` as for Process.
    [[nodiscard]] Finished ctl(const std::vector<std::string>& arguments, int input = -1) const;

  private:
    void listen(const std::stop_token& stop);

    ZoneFiles files_;
    Reach reach_;
    int notify_socket_ = -1;
    std::mutex lock_;
    std::string notifications_; ///< under lock_
    std::jthread listener_;
    std::unique_ptr<Process> process_;
    bool is_stopped_ = false;
};

/// Where meson built a program: the environment variable `name`.
[[nodiscard]] std::string program(const char* name);

} // namespace hvisor::test
