// SPDX-License-Identifier: Apache-2.0
#include "devices/input/capabilities.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

namespace hvisor::devices::input {
namespace {

constexpr std::size_t bits_a_byte = 8;
static_assert(max_codes / bits_a_byte <= max_answer);

/// As many bytes as the highest bit needs (virtio 1.2, 5.8.4: bits beyond are clear).
std::vector<std::byte> to_bitmap(const std::bitset<max_codes>& bits) {
    std::vector<std::byte> bytes;
    for (std::size_t i = 0; i < bits.size(); ++i) {
        if (bits.test(i)) {
            bytes.resize(i / bits_a_byte + 1);
            bytes.back() |= std::byte{1} << (i % bits_a_byte);
        }
    }
    return bytes;
}

/// virtio 1.2, 5.8.4: a string is not terminated by a zero, as its size is there.
std::vector<std::byte> to_answer(std::string_view text) {
    const auto bytes = std::as_bytes(std::span(text)).first(std::min(text.size(), max_answer));
    return {bytes.begin(), bytes.end()};
}

template <class T>
std::vector<std::byte> bytes_of(const T& value) {
    const auto bytes = std::as_bytes(std::span(&value, 1));
    return {bytes.begin(), bytes.end()};
}

} // namespace

void Capabilities::add(EventType type, std::uint16_t code) {
    codes_.at(std::to_underlying(type)).set(code);
}

void Capabilities::add(EventType type, std::initializer_list<std::uint16_t> codes) {
    for (const auto code : codes) {
        add(type, code);
    }
}

void Capabilities::add_bits(EventType type, std::span<const std::byte> bits) {
    const auto count = std::min(bits.size() * bits_a_byte, max_codes);
    for (std::size_t i = 0; i < count; ++i) {
        if ((bits[i / bits_a_byte] & std::byte{1} << (i % bits_a_byte)) != std::byte{0}) {
            add(type, static_cast<std::uint16_t>(i));
        }
    }
}

void Capabilities::add_property(std::uint16_t property) {
    properties_.set(property);
}

void Capabilities::add_axis(std::uint16_t axis, const AbsInfo& info) {
    add(EventType::absolute, axis);
    axes_.insert_or_assign(axis, info);
}

bool Capabilities::has(EventType type) const {
    return codes_.at(std::to_underlying(type)).any();
}

bool Capabilities::has(EventType type, std::uint16_t code) const {
    const auto index = std::to_underlying(type);
    return index < codes_.size() && code < max_codes && codes_.at(index).test(code);
}

std::vector<std::byte> Capabilities::answer(std::uint8_t select, std::uint8_t subsel) const {
    // virtio 1.2, 5.8.4: where it says of no selector that there are several of
    // them, there is number 0 alone.
    const auto only = [subsel](std::vector<std::byte> bytes) {
        return subsel == 0 ? std::move(bytes) : std::vector<std::byte>{};
    };
    switch (static_cast<Select>(select)) {
    case Select::unset:
        break;
    case Select::id_name:
        return only(to_answer(name));
    case Select::id_serial:
        return only(to_answer(serial));
    case Select::id_devids:
        return only(bytes_of(ids));
    case Select::prop_bits:
        return only(to_bitmap(properties_));
    case Select::ev_bits:
        return subsel < codes_.size() ? to_bitmap(codes_.at(subsel)) : std::vector<std::byte>{};
    case Select::abs_info:
        if (const auto axis = axes_.find(subsel); axis != axes_.end()) {
            return bytes_of(axis->second);
        }
        break;
    }
    return {};
}

} // namespace hvisor::devices::input
