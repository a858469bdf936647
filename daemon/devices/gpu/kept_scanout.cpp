// SPDX-License-Identifier: Apache-2.0
#include "devices/gpu/kept_scanout.hpp"

#include <bit>
#include <cstdint>
#include <cstring>
#include <new>

namespace hvisor::devices::gpu {
namespace {

constexpr std::uint64_t pair_of(std::uint32_t low, std::uint32_t high) {
    return std::uint64_t{high} << 32 | low;
}
constexpr std::uint32_t low(std::uint64_t pair) {
    return static_cast<std::uint32_t>(pair);
}
constexpr std::uint32_t high(std::uint64_t pair) {
    return static_cast<std::uint32_t>(pair >> 32);
}

} // namespace

const Cursor* KeptScanout::cursor() const {
    const auto number = memory_.cursor.get();
    if (number == 0 || number > cursors_.cursors.size()) {
        return nullptr;
    }
    const auto* cursor =
        std::launder(reinterpret_cast<const Cursor*>(cursors_.cursors.at(number - 1).data()));
    return cursor->hot_x < Cursor::side && cursor->hot_y < Cursor::side ? cursor : nullptr;
}

void KeptScanout::put_cursor(const Cursor& cursor) {
    const auto number = memory_.cursor.get() == 1 ? 2U : 1U;
    std::memcpy(cursors_.cursors.at(number - 1).data(), &cursor, sizeof cursor);
    memory_.cursor.commit(number);
}

CursorPosition KeptScanout::position() const {
    const auto kept = memory_.position.get();
    return {.x = std::bit_cast<std::int32_t>(low(kept)), .y = std::bit_cast<std::int32_t>(high(kept))};
}

void KeptScanout::move_cursor(CursorPosition position) {
    memory_.position.commit(
        pair_of(std::bit_cast<std::uint32_t>(position.x), std::bit_cast<std::uint32_t>(position.y)));
}

Size KeptScanout::preferred() const {
    const auto kept = memory_.preferred.get();
    return {.width = low(kept), .height = high(kept)};
}

void KeptScanout::set_preferred(Size size) {
    memory_.preferred.commit(pair_of(size.width, size.height));
}

} // namespace hvisor::devices::gpu
