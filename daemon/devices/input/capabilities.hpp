// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "devices/input/config.hpp"
#include "devices/input/event.hpp"

#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace hvisor::devices::input {

/// What a keyboard or pointer is and can do: what its driver learns of it, and
/// what is let through between the two.
class Capabilities {
  public:
    std::string name{};
    std::string serial{};
    DevIds ids{};

    void add(EventType type, std::uint16_t code);
    void add(EventType type, std::initializer_list<std::uint16_t> codes);
    /// Every code of `bits`, whose bit 0 of the first byte is code 0.
    void add_bits(EventType type, std::span<const std::byte> bits);
    void add_property(std::uint16_t property);
    void add_axis(std::uint16_t axis, const AbsInfo& info);

    [[nodiscard]] bool has(EventType type) const;
    [[nodiscard]] bool has(EventType type, std::uint16_t code) const;

    /// What the driver reads after it has written these two (virtio 1.2, 5.8.4);
    /// nothing where there is no such thing. At most max_answer bytes.
    [[nodiscard]] std::vector<std::byte> answer(std::uint8_t select, std::uint8_t subsel) const;

  private:
    using Bits = std::bitset<max_codes>;

    std::array<Bits, EV_CNT> codes_{}; ///< by type
    Bits properties_;
    std::map<std::uint16_t, AbsInfo> axes_;
};

} // namespace hvisor::devices::input
