// SPDX-License-Identifier: Apache-2.0
// The real programs with a simulated hypervisor on a bus of their own.
#pragma once

#include "base/unique_fd.hpp"

#include <filesystem>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace hvisor::bench {

/// A child that ends with this object; nobody hears what it says. It runs where
/// the thread does that starts it.
class Process {
  public:
    explicit Process(std::vector<std::string> arguments,
                     const std::vector<std::string>& more_environment = {}, int output = -1);
    Process(const Process&) = delete;
    Process& operator=(const Process&) = delete;
    Process(Process&&) = delete;
    Process& operator=(Process&&) = delete;
    ~Process();

    /// Wait for its end; whether all was well.
    bool wait();
    [[nodiscard]] pid_t id() const { return id_; }

  private:
    pid_t id_ = -1;
};

/// A folder that goes with this object, and zones' files in it.
class Folder {
  public:
    Folder();
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    Folder(Folder&&) = delete;
    Folder& operator=(Folder&&) = delete;
    ~Folder();

    [[nodiscard]] std::string path(const std::string& name) const { return path_ + "/" + name; }
    void write(const std::string& name, const std::string& text) const;
    /// zoneN.json and zoneN.virtio.json, with a console and a disk; its kernel is "Image".
    void write_zone(unsigned number) const;

  private:
    std::string path_;
};

/// A bus of its own, where the thread runs that makes it.
class Bus {
  public:
    Bus();
    [[nodiscard]] const std::string& address() const { return address_; }

  private:
    std::optional<Process> process_;
    std::string address_;
};

/// The socket that a service manager is told by.
class Notifications {
  public:
    explicit Notifications(const std::string& path);
    void wait_for_ready() const;

  private:
    UniqueFd socket_;
};

} // namespace hvisor::bench
