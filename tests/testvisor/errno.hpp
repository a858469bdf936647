// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace testvisor::error {

inline constexpr std::int64_t not_permitted = 1;
inline constexpr std::int64_t busy = 16;
inline constexpr std::int64_t no_device = 19;
inline constexpr std::int64_t invalid = 22;

} // namespace testvisor::error
