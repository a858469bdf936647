// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <type_traits>

namespace hvisor::fuzz {

/// What the fuzzer made up, taken from its front. Once it is used up there are
/// zeroes, which mean the harmless choice everywhere.
class Input {
  public:
    Input(const std::uint8_t* data, std::size_t size) : rest_(data, size) {}

    [[nodiscard]] bool more() const { return !rest_.empty(); }

    template <class T = std::uint8_t>
        requires std::is_integral_v<T>
    T take() {
        std::uint64_t value = 0;
        const auto size = std::min(sizeof(T), rest_.size());
        for (std::size_t i = 0; i < size; ++i) {
            value |= std::uint64_t{rest_[i]} << (8 * i);
        }
        rest_ = rest_.subspan(size);
        return static_cast<T>(value);
    }
    /// 0 … limit - 1.
    std::uint32_t below(std::uint32_t limit) {
        return (limit > 256 ? take<std::uint16_t>() : take<std::uint8_t>()) % limit;
    }
    /// Once in 32 times: the knob that turns a good thing into a bad one.
    bool rarely() { return take() >= 248; }
    bool sometimes() { return take() >= 192; }
    /// From now on all is harmless.
    void end() { rest_ = {}; }

  private:
    std::span<const std::uint8_t> rest_;
};

/// What has to hold whatever the input; the fuzzer keeps inputs for which it does not.
inline void expect(bool holds, const char* what) {
    if (!holds) {
        std::fprintf(stderr, "fuzz: violated: %s\n", what);
        std::abort();
    }
}

} // namespace hvisor::fuzz
