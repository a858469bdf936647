// SPDX-License-Identifier: Apache-2.0
#include "zone/read_limits.hpp"

#include <format>
#include <string>

namespace hvisor::zone {
namespace {

/// What TokenBucket takes.
constexpr std::uint64_t most_units = 1'000'000'000'000;

std::uint64_t read_optional(const ConfigReader& object, const std::string& name) {
    const auto value = object.find(name);
    return value ? value->number(most_units).value_or(0) : 0;
}

TokenBucket::Settings read_bucket(const ConfigReader& limit, std::string_view unit) {
    return {.rate = read_optional(limit, std::format("{}_per_second", unit)),
            .burst = read_optional(limit, std::format("{}_burst", unit))};
}

} // namespace

std::uint64_t read_number(const ConfigReader& value, std::uint64_t least, std::uint64_t most) {
    const auto number = value.number(most);
    if (number && *number < least) {
        value.problem(std::format("{} is too small; expected at least {}", *number, least));
    }
    return number.value_or(least);
}

Throttle::Settings read_limit(const ConfigReader& value, std::string_view unit) {
    if (!value.require_object(std::format("bytes_per_second or {}_per_second", unit))) {
        return {};
    }
    const Throttle::Settings settings{.bytes = read_bucket(value, "bytes"),
                                      .operations = read_bucket(value, unit)};
    if (settings.bytes.rate == 0 && settings.operations.rate == 0) {
        value.problem(
            std::format("nothing is limited here; expected bytes_per_second or {}_per_second above 0", unit));
    }
    return settings;
}

Throttle::Settings read_limit(const ConfigReader& object, std::string_view key, std::string_view unit) {
    const auto value = object.find(key);
    return value ? read_limit(*value, unit) : Throttle::Settings{};
}

} // namespace hvisor::zone
