// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/throttle.hpp"
#include "zone/config_reader.hpp"

#include <cstdint>
#include <string_view>

namespace hvisor::zone {

/// A number from `least`, which stands for one that is not, to `most`.
[[nodiscard]] std::uint64_t read_number(const ConfigReader& value, std::uint64_t least, std::uint64_t most);
/// The same in a type that holds `most`.
template <class T>
[[nodiscard]] T read_between(const ConfigReader& value, T least, T most) {
    return static_cast<T>(read_number(value, least, most));
}

/// An object such as {"bytes_per_second": …, "bytes_burst": …, "frames_per_second": …,
/// "frames_burst": …}, where `unit` is "frames"; at least one of the rates.
[[nodiscard]] Throttle::Settings read_limit(const ConfigReader& value, std::string_view unit);
/// The same where it stands behind a key; no limit where that is missing.
[[nodiscard]] Throttle::Settings read_limit(const ConfigReader& object, std::string_view key,
                                            std::string_view unit);

} // namespace hvisor::zone
