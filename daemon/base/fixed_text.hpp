// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

namespace hvisor {

/// Text in a message of fixed size: it ends with a zero, or with the array.
template <std::size_t size>
using FixedText = std::array<char, size>;

template <std::size_t size>
[[nodiscard]] std::string_view view_of(const FixedText<size>& text) {
    const std::string_view all(text.data(), text.size());
    return all.substr(0, all.find('\0'));
}

/// What does not fit is cut off.
template <class T>
[[nodiscard]] T text_of(std::string_view from) {
    T text{};
    from.substr(0, text.size()).copy(text.data(), text.size());
    return text;
}

} // namespace hvisor
