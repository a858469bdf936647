// SPDX-License-Identifier: Apache-2.0
#include "service/log_control_object.hpp"

#include "base/log.hpp"
#include "service/bus_values.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <format>
#include <iterator>
#include <string_view>
#include <utility>

namespace hvisor::service {
namespace {

/// Syslog's names, by their numbers.
constexpr std::array<std::string_view, 8> level_names{"emerg",   "alert",  "crit", "err",
                                                      "warning", "notice", "info", "debug"};

} // namespace

LogControlObject::LogControlObject(sdbus::IConnection& connection, sdbus::ObjectPath path)
    : AdaptorInterfaces(connection, std::move(path)) {
    registerAdaptor();
}

LogControlObject::~LogControlObject() {
    unregisterAdaptor();
}

std::string LogControlObject::LogLevel() {
    return std::string(level_names.at(static_cast<std::size_t>(log::level())));
}

void LogControlObject::LogLevel(const std::string& value) {
    const auto* const found = std::ranges::find(level_names, value);
    if (found == level_names.end()) {
        throw invalid_arguments(std::format(
            "there is no log level '{}'; expected emerg, alert, crit, err, warning, notice, info or debug",
            value));
    }
    log::set_level(static_cast<log::Level>(std::distance(level_names.begin(), found)));
    log::info("the log level is {} from now on", value);
}

std::string LogControlObject::LogTarget() {
    return log::target() == log::Target::journal ? "journal" : "console";
}

void LogControlObject::LogTarget(const std::string& value) {
    if (value != "journal" && value != "console") {
        throw invalid_arguments(
            std::format("hvisord cannot log to '{}'; expected journal or console", value));
    }
    if (value == "journal" && !log::has_journal()) {
        throw sdbus::createError(ENOENT, "there is no journal on this machine");
    }
    log::set_target(value == "journal" ? log::Target::journal : log::Target::console);
}

std::string LogControlObject::SyslogIdentifier() {
    return "hvisord";
}

} // namespace hvisor::service
