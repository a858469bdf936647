// SPDX-License-Identifier: Apache-2.0
#include "devices/console/line_log.hpp"

#include <format>
#include <string_view>
#include <utility>

namespace hvisor::devices::console {
namespace {

constexpr char bell = '\a';
constexpr char escape = '\x1b';
constexpr char last_ascii = '~';

} // namespace

void LineLog::take(std::span<const std::byte> bytes) {
    for (const std::byte byte : bytes) {
        take(static_cast<char>(byte));
    }
}

void LineLog::take(char letter) {
    if (letter == '\n') {
        // Whatever the guest has begun ends with the line.
        escape_ = Escape::none;
        write();
        return;
    }
    if (is_escaped(letter)) {
        return;
    }
    if (letter == '\t') {
        letter = ' ';
    }
    const auto code = static_cast<unsigned char>(letter);
    if (code < ' ' || code == last_ascii + 1) {
        return;
    }
    line_ += code > last_ascii ? '?' : letter;
    if (line_.size() == longest_line) {
        write();
    }
}

/// Whether the character belongs to an escape sequence.
bool LineLog::is_escaped(char letter) {
    switch (escape_) {
    case Escape::none:
        if (letter == escape) {
            escape_ = Escape::begun;
        }
        return letter == escape;
    case Escape::begun:
        if (letter == '[') {
            escape_ = Escape::sequence;
        } else if (std::string_view("]P_^X").contains(letter)) {
            escape_ = Escape::text;
        } else if (letter < ' ' || letter > '/') { // what comes before a final character
            escape_ = letter == escape ? Escape::begun : Escape::none;
        }
        return true;
    case Escape::sequence:
        if (letter >= '@' && letter <= last_ascii) {
            escape_ = Escape::none;
        }
        return true;
    case Escape::text:
        if (letter == escape) {
            escape_ = Escape::text_end;
        } else if (letter == bell) {
            escape_ = Escape::none;
        }
        return true;
    case Escape::text_end:
        escape_ = letter == '\\' ? Escape::none : Escape::text;
        return true;
    }
    std::unreachable();
}

void LineLog::write() {
    const std::string line = std::exchange(line_, {});
    if (line.empty()) {
        return;
    }
    if (const auto left_out = limit_.admit(RateLimit::Clock::now())) {
        if (*left_out != 0) {
            log::write_later(log::Level::warning, limit_.fields(),
                             std::format("{} lines of the console left out", *left_out));
        }
        log::write_later(log::Level::info, limit_.fields(), line);
    }
}

} // namespace hvisor::devices::console
