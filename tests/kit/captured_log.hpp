// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/log.hpp"
#include "base/unique_fd.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <fcntl.h>
#include <stdexcept>
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

    [[nodiscard]] std::size_t lines() const {
        log::flush();
        std::array<char, 4096> text{};
        std::ptrdiff_t lines = 0;
        off_t at = 0;
        while (const auto count = ::pread(file_.get(), text.data(), text.size(), at)) {
            if (count < 0) {
                throw std::runtime_error("cannot read the captured log");
            }
            lines += std::count(text.begin(), text.begin() + count, '\n');
            at += count;
        }
        return static_cast<std::size_t>(lines);
    }

  private:
    UniqueFd file_{::memfd_create("log", MFD_CLOEXEC)};
    UniqueFd before_{::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3)};
};

} // namespace hvisor::kit
