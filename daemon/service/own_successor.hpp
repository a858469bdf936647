// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/unique_fd.hpp"

#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace hvisor::service {

/// Where no service manager keeps files for the next process, this one becomes the next by
/// itself (execve(2)): it keeps them until then.
class OwnSuccessor {
  public:
    /// `arguments` are this process's; the program is where it is found now.
    explicit OwnSuccessor(std::vector<std::string> arguments);

    /// What this process kept when it was the one before, and keeps still. Once, before there
    /// are threads.
    [[nodiscard]] std::multimap<std::string, UniqueFd> take_kept();

    // Any thread

    /// Nothing when it has that file under that name, as with systemd.
    void keep(const std::string& name, int fd);
    void drop(const std::string& name);

    /// Why the program could not be started; "" when it could, as far as one can see.
    [[nodiscard]] std::string obstacle() const;
    /// Be the next process, wherever the other threads are. Returns why it could not.
    [[nodiscard]] std::string begin();

  private:
    std::vector<std::string> arguments_;
    std::string program_;
    std::mutex lock_;
    std::multimap<std::string, UniqueFd> files_; ///< under lock_
};

} // namespace hvisor::service
