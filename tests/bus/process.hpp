// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>
#include <sys/types.h>
#include <utility>
#include <vector>

namespace hvisor::test {

/// A program that was started. Its output goes to files, so that it never
/// waits for a reader.
class Process {
  public:
    /// `environment` is added to this program's. Standard input is `input`,
    /// or empty when it is -1.
    Process(std::vector<std::string> command, const std::string& output_file, const std::string& error_file,
            const std::vector<std::string>& environment = {}, int input = -1);
    Process(const Process&) = delete;
    Process& operator=(const Process&) = delete;
    Process(Process&&) = delete;
    Process& operator=(Process&&) = delete;
    /// Kills what is left of it.
    ~Process();

    [[nodiscard]] pid_t pid() const { return pid_; }
    void signal(int number) const;

    /// Its exit status, 128 + N when signal N ended it, -1 when it goes on after `limit`.
    int wait(std::chrono::milliseconds limit = std::chrono::seconds(60));

  private:
    pid_t pid_ = -1;
    int status_ = -1;
};

[[nodiscard]] std::string read_file(const std::string& path);
void write_file(const std::string& path, const std::string& text);

/// Look every few milliseconds until `condition` holds; false when it never did.
template <class Condition>
bool eventually(Condition condition, std::chrono::milliseconds limit = std::chrono::seconds(30));

void sleep_a_little();

template <class Condition>
bool eventually(Condition condition, std::chrono::milliseconds limit) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > end) {
            return false;
        }
        sleep_a_little();
    }
    return true;
}

} // namespace hvisor::test
