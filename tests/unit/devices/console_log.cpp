// SPDX-License-Identifier: Apache-2.0
#include "console_rig.hpp"
#include "devices/console/line_log.hpp"
#include "kit/captured_log.hpp"

#include <string>
#include <string_view>

namespace console_log_test {

using namespace hvisor;
using namespace hvisor::devices::console;

namespace {

void take(LineLog& lines, std::string_view text) {
    lines.take(std::as_bytes(std::span(text)));
}

std::string logged(std::string_view text) {
    const kit::CapturedLog log;
    LineLog lines({.zone = "linux2", .device = "console-1"});
    take(lines, text);
    return log.text();
}

const std::string front = "zone linux2: console-1: ";

} // namespace

TEST_CASE("each line of a console is a message") {
    CHECK(logged("one\r\ntwo\n\n\nthr") == front + "one\n" + front + "two\n");
    CHECK(logged("a\tb\n") == front + "a b\n");
}

TEST_CASE("what a terminal obeys does not reach the log") {
    CHECK(logged("\x1b[1;31mred\x1b[0m\n") == front + "red\n");
    CHECK(logged("\x1b]0;title\a\x1b]0;title\x1b\\shown\n") == front + "shown\n");
    CHECK(logged("\x1b(B\x1b=\x1bP1;2qdata\x1b\\shown\n") == front + "shown\n");
    CHECK(logged("be\a\b\x7f\x01\x0ell\n") == front + "bell\n");
    // UTF-8, C1 control characters, and what is neither: none is worth its risk.
    CHECK(logged("\xc3\xa4 \x9b[31m \xff\n") == front + "?? ?[31m ?\n");
    // Nothing that is begun hides what comes in the next line.
    CHECK(logged("a\x1b]0;never ends\nb\x1b[\nc\x1b\nd\n") ==
          front + "a\n" + front + "b\n" + front + "c\n" + front + "d\n");
    // A line cannot pretend to be another message.
    CHECK(logged("x\rzone rtos: started\n") == front + "xzone rtos: started\n");
}

TEST_CASE("long lines are cut, and lines without end do not grow") {
    const std::string text = logged(std::string(LineLog::longest_line * 3, 'x'));
    CHECK(std::ranges::count(text, '\n') == 3);
    CHECK(text.size() == 3 * (front.size() + LineLog::longest_line + 1));
}

TEST_CASE("a guest that prints without end is counted from some line on") {
    const kit::CapturedLog log;
    LineLog lines({.zone = "linux2", .device = "console-1"});
    for (int i = 0; i < 20000; ++i) {
        take(lines, "flood\n");
    }
    CHECK(log.lines() == LineLog::most_lines);
}

TEST_CASE("a console is logged when it is asked for, and its other ports are not") {
    for (const bool is_logged : {false, true}) {
        const kit::CapturedLog log;
        ConsoleRig rig(is_logged);
        const auto before = log.lines();
        rig.print("Linux version 6.12\n");
        CHECK(log.lines() == before + (is_logged ? 1 : 0));
    }
}

} // namespace console_log_test
