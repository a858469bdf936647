// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/atomic.hpp"

#include <cstdint>
#include <utility>

namespace hvisor::devices::gpu {

/// How much a driver may make the daemon keep. It outlives its shares, which
/// belong to the owner thread.
class MemoryBudget {
  public:
    /// Of somebody who keeps so many bytes, given back when it is gone.
    class Share {
      public:
        explicit Share(MemoryBudget& budget) : budget_(&budget) {}
        Share(const Share&) = delete;
        Share& operator=(const Share&) = delete;
        Share(Share&& other) noexcept : budget_(other.budget_), bytes_(std::exchange(other.bytes_, 0)) {}
        Share& operator=(Share&& other) noexcept {
            std::swap(budget_, other.budget_);
            std::swap(bytes_, other.bytes_);
            return *this;
        }
        ~Share() { budget_->used_.set(budget_->used_.get() - bytes_); }

        /// More or fewer; false when so many are not left, and all is as it was.
        [[nodiscard]] bool resize(std::uint64_t bytes) {
            const auto others = budget_->used_.get() - bytes_;
            if (bytes > bytes_ && bytes > budget_->limit_ - others) {
                return false;
            }
            budget_->used_.set(others + bytes);
            bytes_ = bytes;
            return true;
        }
        void release() { static_cast<void>(resize(0)); }

      private:
        MemoryBudget* budget_;
        std::uint64_t bytes_ = 0;
    };

    explicit MemoryBudget(std::uint64_t limit) : limit_(limit) {}

    /// Any thread.
    [[nodiscard]] std::uint64_t used() const { return used_.get(); }

  private:
    std::uint64_t limit_;
    Watched<std::uint64_t> used_;
};

} // namespace hvisor::devices::gpu
