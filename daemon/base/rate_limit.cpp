// SPDX-License-Identifier: Apache-2.0
#include "base/rate_limit.hpp"

namespace hvisor {

bool RateLimit::admit(Clock::time_point now) {
    const std::scoped_lock guard(lock_);
    if (now - begin_ >= window) {
        if (suppressed_in_window_ != 0) {
            // This line is one of the new window's.
            log::warning(fields_, "{} similar messages suppressed", suppressed_in_window_);
        }
        written_ = suppressed_in_window_ != 0 ? 1 : 0;
        suppressed_in_window_ = 0;
        begin_ = now;
    }
    if (written_ < burst) {
        ++written_;
        return true;
    }
    ++suppressed_in_window_;
    ++suppressed_;
    return false;
}

std::uint64_t RateLimit::suppressed() const {
    const std::scoped_lock guard(lock_);
    return suppressed_;
}

} // namespace hvisor
