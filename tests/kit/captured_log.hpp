// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/log.hpp"
#include "base/unique_fd.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <fcntl.h>
#include <stdexcept>
#include <string>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

namespace hvisor::kit {

/// While it lives, what is logged goes into a file of its own instead of to
/// standard error.
class CapturedLog {
  public:
    CapturedLog() {
        log::flush();
        if (!file_ || !before_ || ::dup2(file_.get(), STDERR_FILENO) < 0) {
            throw std::runtime_error("cannot capture the log");
        }
    }
    CapturedLog(const CapturedLog&) = delete;
    CapturedLog& operator=(const CapturedLog&) = delete;
    CapturedLog(CapturedLog&&) = delete;
    CapturedLog& operator=(CapturedLog&&) = delete;
    ~CapturedLog() {
        log::flush();
        ::dup2(before_.get(), STDERR_FILENO);
    }

    [[nodiscard]] std::string text() const {
        log::flush();
        std::array<char, 4096> part{};
        std::string text;
        while (const auto count =
                   ::pread(file_.get(), part.data(), part.size(), static_cast<off_t>(text.size()))) {
            if (count < 0) {
                throw std::runtime_error("cannot read the captured log");
            }
            text.append(part.data(), static_cast<std::size_t>(count));
        }
        return text;
    }
    [[nodiscard]] std::size_t lines() const {
        return static_cast<std::size_t>(std::ranges::count(text(), '\n'));
    }

  private:
    UniqueFd file_{::memfd_create("log", MFD_CLOEXEC)};
    UniqueFd before_{::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3)};
};

} // namespace hvisor::kit
