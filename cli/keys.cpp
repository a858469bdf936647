// SPDX-License-Identifier: Apache-2.0
#include "keys.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <system_error>

namespace hvisor::cli {
namespace {

struct KeyName {
    std::string_view name;
    std::uint16_t number;
};

#include "key_names.inc"

constexpr std::string_view key_prefix = "KEY_";

std::string in_letters(std::string_view text, int (*change)(int)) {
    std::string changed(text);
    std::ranges::transform(changed, changed.begin(), [change](char c) {
        return static_cast<char>(change(static_cast<unsigned char>(c)));
    });
    return changed;
}

} // namespace

std::optional<std::uint16_t> key_number(std::string_view word) {
    std::string name = in_letters(word, std::toupper);
    if (!name.starts_with(key_prefix)) {
        name.insert(0, key_prefix);
    }
    // The digits are keys, too: KEY_1 is not the key of the number 1.
    if (const auto* found = std::ranges::find(key_names, name, &KeyName::name); found != key_names.end()) {
        return found->number;
    }
    std::uint16_t number = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
    return error == std::errc{} && end == word.data() + word.size() && number != 0 ? std::optional(number)
                                                                                   : std::nullopt;
}

std::vector<std::string> all_keys() {
    std::vector<std::string> names;
    names.reserve(key_names.size());
    for (const KeyName& key : key_names) {
        names.push_back(in_letters(key.name.substr(key_prefix.size()), std::tolower));
    }
    return names;
}

} // namespace hvisor::cli
