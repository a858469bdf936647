// SPDX-License-Identifier: Apache-2.0
#include "service/bus_values.hpp"

#include "base/error_table.hpp"
#include "base/log.hpp"

#include <algorithm>
#include <cstdint>
#include <exception>
#include <format>

namespace hvisor::service {

sdbus::Error invalid_arguments(std::string message) {
    return {sdbus::Error::Name("org.freedesktop.DBus.Error.InvalidArgs"), std::move(message)};
}

sdbus::Error to_bus_error(const Error& error) {
    return {sdbus::Error::Name(dbus_error_name(error.code)), error.message};
}

void announce(const std::function<void()>& emit) noexcept {
    try {
        emit();
    } catch (const std::exception& error) {
        log::debug("signal not sent: {}", error.what());
    }
}

void check_options(const Dictionary& options, std::initializer_list<std::string_view> known) {
    for (const auto& [key, value] : options) {
        if (!std::ranges::contains(known, key)) {
            throw invalid_arguments(
                std::format("hvisord {} knows no option '{}' of this method", HVISORD_VERSION, key));
        }
    }
}

std::chrono::microseconds power_off_patience(const Dictionary& options) {
    constexpr std::chrono::microseconds usual = std::chrono::seconds(60);
    constexpr std::chrono::microseconds longest = std::chrono::hours(24);
    const auto wanted = option<std::uint64_t>(options, "timeout-usec", "t");
    if (!wanted) {
        return usual;
    }
    return std::chrono::microseconds(
        static_cast<std::int64_t>(std::min(*wanted, static_cast<std::uint64_t>(longest.count()))));
}

bool waits(const Dictionary& options) {
    return option<bool>(options, "wait", "b").value_or(true);
}

sdbus::Error wrong_option_type(const std::string& key, const char* expected, const sdbus::Variant& value) {
    return invalid_arguments(
        std::format("option '{}' must be of type '{}', not '{}'", key, expected, value.peekValueType()));
}

} // namespace hvisor::service
