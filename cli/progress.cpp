// SPDX-License-Identifier: Apache-2.0
#include "progress.hpp"

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <format>
#include <mutex>
#include <print>
#include <stop_token>
#include <string_view>
#include <unistd.h>
#include <utility>

namespace hvisor::cli {
namespace {

using namespace std::chrono_literals;

/// False when it was asked to stop instead.
bool sleep_for(const std::stop_token& stop, std::chrono::milliseconds time) {
    std::mutex mutex;
    std::condition_variable_any never;
    std::unique_lock lock(mutex);
    never.wait_for(lock, stop, time, [] { return false; });
    return !stop.stop_requested();
}

/// "42 %, 3 s"
std::string measure(const Progress::Percent& percent, std::chrono::seconds elapsed) {
    const auto done = percent ? percent() : std::nullopt;
    return done ? std::format("{} %, {} s", *done, elapsed.count()) : std::format("{} s", elapsed.count());
}

void count_on_terminal(const std::stop_token& stop, std::string_view what, const Progress::Percent& percent) {
    static constexpr std::string_view spinner = "|/-\\";
    const auto start = std::chrono::steady_clock::now();
    if (!sleep_for(stop, 2s)) {
        return;
    }
    std::size_t turn = 0;
    do {
        const auto elapsed =
            std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - start);
        std::print(stderr, "\r\033[K{} {} ... {}", spinner[turn++ % spinner.size()], what,
                   measure(percent, elapsed));
        static_cast<void>(std::fflush(stderr));
    } while (sleep_for(stop, 250ms));
    std::print(stderr, "\r\033[K");
}

void say_now_and_then(const std::stop_token& stop, std::string_view what, const Progress::Percent& percent) {
    std::chrono::seconds elapsed = 2s;
    for (std::chrono::seconds step = 2s; sleep_for(stop, step); step = 28s) {
        std::println(stderr, "hvisorctl: {} ... {}", what, measure(percent, elapsed));
        elapsed += 28s;
    }
}

} // namespace

Progress::Progress(std::string what, bool quiet, Percent percent) {
    if (!quiet) {
        thread_ =
            std::jthread([what = std::move(what), percent = std::move(percent)](const std::stop_token& stop) {
                if (isatty(STDERR_FILENO) == 1) {
                    count_on_terminal(stop, what, percent);
                } else {
                    say_now_and_then(stop, what, percent);
                }
            });
    }
}

} // namespace hvisor::cli
