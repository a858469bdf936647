// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/log.hpp"
#include "base/rate_limit.hpp"

#include <cstddef>
#include <span>
#include <string>

namespace hvisor::devices::console {

/// Makes messages for the log of what a guest prints, one a line. The guest is not
/// trusted: what a terminal would obey is left out (control characters, escape
/// sequences) and bytes beyond ASCII are shown as "?"; long lines are cut into several;
/// of more than most_lines in RateLimit::window the rest is only counted. It never
/// waits for the log. One thread.
class LineLog {
  public:
    static constexpr std::size_t longest_line = 512;
    /// Enough for a Linux that boots.
    static constexpr unsigned most_lines = 500;

    explicit LineLog(const log::Fields& fields) : limit_(fields, most_lines) {}

    void take(std::span<const std::byte> bytes);

  private:
    /// Where in an escape sequence (ECMA-48, 5.3 to 5.6) the next character is.
    enum class Escape { none, begun, sequence, text, text_end };

    void take(char letter);
    [[nodiscard]] bool is_escaped(char letter);
    void write();

    RateLimit limit_;
    std::string line_;
    Escape escape_ = Escape::none;
};

} // namespace hvisor::devices::console
