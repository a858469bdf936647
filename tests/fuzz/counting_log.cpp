// SPDX-License-Identifier: Apache-2.0
#include "counting_log.hpp"

#include "base/log.hpp"

#include <atomic>
#include <cstdio>

namespace {

std::atomic<unsigned> lines{0};
std::atomic<unsigned> errors{0};

} // namespace

namespace hvisor::log {

void set_level(Level) {}

Level level() {
    return Level::warning;
}

void write(Level level, const Fields& /*fields*/, std::string_view message) {
    if (level > log::level()) {
        return;
    }
    ++lines;
    if (level == Level::error) {
        ++errors;
        std::fprintf(stderr, "fuzz: error logged: %.*s\n", static_cast<int>(message.size()), message.data());
    }
}

} // namespace hvisor::log

namespace hvisor::fuzz {

LogCount take_log_count() {
    log::flush();
    return {.lines = lines.exchange(0), .errors = errors.exchange(0)};
}

} // namespace hvisor::fuzz
