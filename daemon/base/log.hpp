// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/log_events.hpp"

#include <format>
#include <string>
#include <string_view>
#include <utility>

namespace hvisor::log {

/// Syslog's numbers, as the journal stores them.
enum class Level { emergency, alert, critical, error, warning, notice, info, debug };

/// What a message is about: the journal fields HVISOR_ZONE=, HVISOR_DEVICE= and MESSAGE_ID=.
struct Fields {
    std::string zone{};
    std::string device{};
    Event event = Event::none;
};

/// Messages less important than `level` are dropped. Any thread.
void set_level(Level level);
[[nodiscard]] Level level();

/// Where messages go: to the journal with their fields, or to standard error with
/// the fields in front. At first to the journal if standard error is the journal.
enum class Target { journal, console };
/// Any thread.
void set_target(Target target);
[[nodiscard]] Target target();
/// Whether somebody listens where the journal does.
[[nodiscard]] bool has_journal();

/// One message.
void write(Level level, const Fields& fields, std::string_view message);

/// The same from a thread of its own, soon: for threads that must not wait for
/// a journal that hangs. When too many wait there, later ones are counted
/// instead of kept.
void write_later(Level level, Fields fields, std::string message);
/// Until all that was written later is written.
void flush();

template <class... Args>
void error(std::format_string<Args...> format, Args&&... args) {
    write(Level::error, {}, std::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void error(const Fields& fields, std::format_string<Args...> format, Args&&... args) {
    write(Level::error, fields, std::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void warning(std::format_string<Args...> format, Args&&... args) {
    write(Level::warning, {}, std::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void warning(const Fields& fields, std::format_string<Args...> format, Args&&... args) {
    write(Level::warning, fields, std::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void info(std::format_string<Args...> format, Args&&... args) {
    write(Level::info, {}, std::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void info(const Fields& fields, std::format_string<Args...> format, Args&&... args) {
    write(Level::info, fields, std::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void debug(std::format_string<Args...> format, Args&&... args) {
    if (level() >= Level::debug) {
        write(Level::debug, {}, std::format(format, std::forward<Args>(args)...));
    }
}
template <class... Args>
void debug(const Fields& fields, std::format_string<Args...> format, Args&&... args) {
    if (level() >= Level::debug) {
        write(Level::debug, fields, std::format(format, std::forward<Args>(args)...));
    }
}

} // namespace hvisor::log
