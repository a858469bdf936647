// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kit/wait.hpp"

#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <spawn.h>
#include <stdexcept>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

namespace hvisor::kit {

/// A program beside the daemon as it runs without a service manager, with all that it
/// starts. `variable` names it in the environment.
class HelperProcess {
  public:
    HelperProcess(const char* variable, std::string path) : variable_(variable), path_(std::move(path)) {
        start();
    }
    HelperProcess(const HelperProcess&) = delete;
    HelperProcess& operator=(const HelperProcess&) = delete;
    HelperProcess(HelperProcess&&) = delete;
    HelperProcess& operator=(HelperProcess&&) = delete;
    ~HelperProcess() { kill(); }

    void start() {
        std::string program = std::getenv(variable_);
        std::string option = "--listen=" + path_;
        std::array<char*, 3> arguments{program.data(), option.data(), nullptr};
        // A group of its own: what it forks goes with it.
        posix_spawnattr_t attributes{};
        ::posix_spawnattr_init(&attributes);
        ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
        ::posix_spawnattr_setpgroup(&attributes, 0);
        if (::posix_spawn(&pid_, program.c_str(), nullptr, &attributes, arguments.data(), environ) != 0) {
            throw std::runtime_error("cannot start " + program);
        }
        ::posix_spawnattr_destroy(&attributes);
        if (!eventually([this] { return std::filesystem::exists(path_); }, std::chrono::seconds(20))) {
            throw std::runtime_error("it does not listen");
        }
    }
    void kill() {
        if (pid_ > 0) {
            ::kill(-pid_, SIGKILL);
            ::waitpid(std::exchange(pid_, -1), nullptr, 0);
            std::filesystem::remove(path_);
        }
    }

  private:
    const char* variable_;
    std::string path_;
    pid_t pid_ = -1;
};

} // namespace hvisor::kit
