// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>

// Arithmetic on numbers that come from a guest or a file: the sum or product,
// or nothing when it does not fit.
namespace hvisor {

template <std::unsigned_integral T>
[[nodiscard]] constexpr std::optional<T> checked_add(T a, T b) {
    T sum{};
    if (__builtin_add_overflow(a, b, &sum)) {
        return std::nullopt;
    }
    return sum;
}

template <std::unsigned_integral T>
[[nodiscard]] constexpr std::optional<T> checked_mul(T a, T b) {
    T product{};
    if (__builtin_mul_overflow(a, b, &product)) {
        return std::nullopt;
    }
    return product;
}

/// Whether [begin, begin + length) lies inside [outer_begin, outer_begin +
/// outer_length). Neither end is ever computed, so nothing can wrap around.
[[nodiscard]] constexpr bool range_inside(std::uint64_t begin, std::uint64_t length,
                                          std::uint64_t outer_begin, std::uint64_t outer_length) {
    return begin >= outer_begin && begin - outer_begin <= outer_length &&
           length <= outer_length - (begin - outer_begin);
}

/// Whether the two ranges have a byte in common.
[[nodiscard]] constexpr bool ranges_overlap(std::uint64_t a, std::uint64_t a_length, std::uint64_t b,
                                            std::uint64_t b_length) {
    return a < b ? b - a < a_length && b_length != 0 : a - b < b_length && a_length != 0;
}

} // namespace hvisor
