// SPDX-License-Identifier: Apache-2.0
#include "base/rate_limit.hpp"

#include <utility>

namespace hvisor {

std::optional<std::uint64_t> RateLimit::admit(Clock::time_point now) {
    const std::scoped_lock guard(lock_);
    if (now - begin_ >= window) {
        begin_ = now;
        // The line that counts what was left out is one of the new window's.
        written_ = suppressed_ != 0 ? 1 : 0;
    }
    if (written_ >= most_) {
        ++suppressed_;
        return std::nullopt;
    }
    ++written_;
    return std::exchange(suppressed_, 0);
}

void RateLimit::write(log::Event event, std::string_view message, std::uint64_t suppressed) const {
    if (suppressed != 0) {
        log::write_later(log::Level::warning, fields_, std::format("{} messages left out", suppressed));
    }
    log::Fields fields = fields_;
    fields.event = event;
    log::write_later(log::Level::warning, std::move(fields), std::string(message));
}

} // namespace hvisor
