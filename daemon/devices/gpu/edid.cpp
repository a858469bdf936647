// SPDX-License-Identifier: Apache-2.0
#include "devices/gpu/edid.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <span>
#include <string_view>

namespace hvisor::devices::gpu {
namespace {

using Block = std::array<std::uint8_t, 128>;

/// In mHz; CVT's formula is for rates between them.
constexpr std::uint32_t least_refresh = 1000;
constexpr std::uint32_t most_refresh = 500000;
constexpr std::size_t descriptors = 54; ///< four of 18 bytes
constexpr std::size_t descriptor_size = 18;

/// The most that a detailed timing can say: 12 bits of pixels, and of 10 kHz 16 bits.
constexpr std::uint32_t most_pixels = 4095;
constexpr std::uint64_t most_clock = 65535; ///< 10 kHz

/// A mode by VESA CVT 1.1 with reduced blanking.
struct Timing {
    std::uint32_t blank_width = 160;
    std::uint32_t front_width = 48;
    std::uint32_t sync_width = 32;
    std::uint32_t blank_height = 0;
    std::uint32_t front_height = 3;
    std::uint32_t sync_height = 10;
    std::uint64_t clock = 0; ///< 10 kHz
};

/// CVT says by the lines of the vertical synchronisation which shape a mode has.
std::uint32_t sync_height(Size size) {
    const auto is = [&](std::uint32_t width, std::uint32_t height) {
        return std::uint64_t{size.width} * height == std::uint64_t{size.height} * width;
    };
    if (is(4, 3)) {
        return 4;
    }
    if (is(16, 9)) {
        return 5;
    }
    if (is(16, 10)) {
        return 6;
    }
    return is(5, 4) || is(15, 9) ? 7 : 10;
}

Timing make_timing(Size size, std::uint32_t refresh) {
    constexpr double least_blank = 460e-6; ///< seconds between two pictures
    constexpr std::uint32_t least_back_porch = 6;
    constexpr double step = 250e3; ///< of the clock
    const double rate = refresh / 1000.0;
    Timing timing;
    timing.sync_height = sync_height(size);
    const double line = (1 / rate - least_blank) / size.height;
    timing.blank_height = std::max(static_cast<std::uint32_t>(least_blank / line) + 1,
                                   timing.front_height + timing.sync_height + least_back_porch);
    const double total = static_cast<double>(size.width + timing.blank_width) *
                         static_cast<double>(size.height + timing.blank_height);
    const double clock = std::max(std::floor(rate * total / step), 1.0) * step;
    timing.clock = std::min(static_cast<std::uint64_t>(clock / 10e3), most_clock);
    return timing;
}

std::uint8_t low(std::uint64_t value) {
    return static_cast<std::uint8_t>(value & 0xffU);
}
/// The bits above the lowest eight of two numbers.
std::uint8_t high(std::uint32_t first, std::uint32_t second) {
    return static_cast<std::uint8_t>((first >> 8 & 0xfU) << 4 | (second >> 8 & 0xfU));
}

void put_timing(Block& block, const ScreenFacts& facts, const Timing& timing) {
    const auto size = facts.preferred;
    const Size shown{.width = std::min(facts.millimetres.width, most_pixels),
                     .height = std::min(facts.millimetres.height, most_pixels)};
    auto* at = block.data() + descriptors;
    at[0] = low(timing.clock);
    at[1] = low(timing.clock >> 8);
    at[2] = low(size.width);
    at[3] = low(timing.blank_width);
    at[4] = high(size.width, timing.blank_width);
    at[5] = low(size.height);
    at[6] = low(timing.blank_height);
    at[7] = high(size.height, timing.blank_height);
    at[8] = low(timing.front_width);
    at[9] = low(timing.sync_width);
    at[10] = static_cast<std::uint8_t>(timing.front_height << 4 | timing.sync_height);
    at[11] = 0; // none of these four has more bits than that
    at[12] = low(shown.width);
    at[13] = low(shown.height);
    at[14] = high(shown.width, shown.height);
    at[17] = 0x1a; // digital, separate: horizontal positive, vertical negative, as CVT wants it
}

void put_name(Block& block, std::string_view name) {
    constexpr std::size_t room = 13;
    auto* at = block.data() + descriptors + descriptor_size;
    at[3] = 0xfc; // display product name: ends with a line feed, then spaces
    for (std::size_t i = 0; i < room; ++i) {
        at[5 + i] = i < name.size() ? static_cast<std::uint8_t>(name[i]) : i == name.size() ? 0x0a : 0x20;
    }
}

} // namespace

std::vector<std::byte> make_edid(const ScreenFacts& facts) {
    const auto size = facts.preferred;
    if (size.empty() || size.width > most_pixels || size.height > most_pixels) {
        return {};
    }
    const auto refresh = facts.refresh == 0 ? default_refresh : facts.refresh;
    const auto timing = make_timing(size, std::clamp(refresh, least_refresh, most_refresh));
    Block block{0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00};
    // Manufacturer "HVS", three letters of 5 bits; product, serial number 0.
    constexpr std::uint32_t maker = ('H' - '@') << 10 | ('V' - '@') << 5 | ('S' - '@');
    block[8] = low(maker >> 8);
    block[9] = low(maker);
    block[10] = 1;
    block[16] = 0;  // no week
    block[17] = 34; // 2024
    block[18] = 1;  // version 1.4
    block[19] = 4;
    block[20] = 0xa0; // digital, 8 bits a colour
    // In centimetres; 0 says that it is not known.
    block[21] = low(std::min(facts.millimetres.width / 10, 255U));
    block[22] = low(std::min(facts.millimetres.height / 10, 255U));
    block[23] = 120;  // gamma 2.2
    block[24] = 0x06; // sRGB; the first timing is the display's own
    // Of sRGB: red, green, blue and white.
    constexpr std::array<std::uint8_t, 10> colours{0xee, 0x91, 0xa3, 0x54, 0x4c,
                                                   0x99, 0x26, 0x0f, 0x50, 0x54};
    std::ranges::copy(colours, block.begin() + 25);
    // No established and no standard timings.
    std::fill_n(block.begin() + 38, 16, std::uint8_t{0x01});
    put_timing(block, facts, timing);
    put_name(block, facts.connector.empty() ? "hvisor" : facts.connector);
    for (std::size_t i = 2; i < 4; ++i) {
        block.at(descriptors + descriptor_size * i + 3) = 0x10; // says nothing
    }
    block.back() = low(256U - std::accumulate(block.begin(), block.end(), 0U) % 256U);
    const auto bytes = std::as_bytes(std::span(block));
    return {bytes.begin(), bytes.end()};
}

} // namespace hvisor::devices::gpu
