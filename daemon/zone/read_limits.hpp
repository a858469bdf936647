// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/throttle.hpp"
#include "zone/config_reader.hpp"

#include <cstdint>
#include <string_view>

namespace hvisor::zone {

/// A number from `least` to `most`, in the largest type that a device needs.
[[nodiscard]] std::uint16_t read_between(const ConfigReader& value, std::uint64_t least, std::uint64_t most);

/// An object such as {"bytes_per_second": …, "bytes_burst": …, "frames_per_second": …,
/// "frames_burst": …}, where `unit` is "frames"; at least one of the rates.
[[nodiscard]] Throttle::Settings read_limit(const ConfigReader& value, std::string_view unit);
/// The same where it stands behind a key; no limit where that is missing.
[[nodiscard]] Throttle::Settings read_limit(const ConfigReader& object, std::string_view key,
                                            std::string_view unit);

} // namespace hvisor::zone
