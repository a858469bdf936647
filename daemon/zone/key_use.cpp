// SPDX-License-Identifier: Apache-2.0
#include "zone/key_use.hpp"

#include <algorithm>

namespace hvisor::zone {
namespace {

bool is_same(std::string_view a, std::string_view b, bool in_any_case) {
    return in_any_case ? equal_in_any_case(a, b) : a == b;
}

// The parser has bounded how deep this goes.
// NOLINTNEXTLINE(misc-no-recursion)
void find_repeated(const JsonValue& value, const std::string& pointer, bool in_any_case,
                   std::vector<RepeatedKey>& repeated) {
    for (std::size_t i = 0; i < value.elements.size(); ++i) {
        find_repeated(value.elements[i], pointer + "/" + std::to_string(i), in_any_case, repeated);
    }
    for (auto member = value.members.begin(); member != value.members.end(); ++member) {
        const std::string path = pointer + "/" + pointer_step(member->name);
        const auto first = std::find_if(value.members.begin(), member, [&](const JsonMember& other) {
            return is_same(other.name, member->name, in_any_case);
        });
        if (first != member) {
            repeated.push_back({path, &member->value, &first->value});
        } else {
            find_repeated(member->value, path, in_any_case, repeated);
        }
    }
}

/// How many letters have to be put in, taken out, replaced or swapped with
/// their neighbour to make `b` of `a` (optimal string alignment).
std::size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::vector<std::size_t>> steps(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
    for (std::size_t i = 0; i <= a.size(); ++i) {
        for (std::size_t j = 0; j <= b.size(); ++j) {
            if (i == 0 || j == 0) {
                steps[i][j] = i + j;
                continue;
            }
            steps[i][j] = std::min({steps[i - 1][j] + 1, steps[i][j - 1] + 1,
                                    steps[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                steps[i][j] = std::min(steps[i][j], steps[i - 2][j - 2] + 1);
            }
        }
    }
    return steps[a.size()][b.size()];
}

/// Whether the letters of `part` stand in `whole` in their order: "img" in "image", "addr" in "address".
bool is_shortened(std::string_view part, std::string_view whole) {
    for (const char letter : whole) {
        if (!part.empty() && part.front() == letter) {
            part.remove_prefix(1);
        }
    }
    return part.empty();
}

} // namespace

KeyUse::Object& KeyUse::entry(const JsonValue& object) {
    const auto found = std::ranges::find(objects_, &object, &Object::value);
    if (found != objects_.end()) {
        return *found;
    }
    return objects_.emplace_back(Object{.value = &object, .pointer = {}, .asked = {}});
}

void KeyUse::open(const JsonValue& object, const std::string& pointer) {
    entry(object).pointer = pointer;
}

void KeyUse::ask(const JsonValue& object, const std::string& pointer, std::string_view name) {
    Object& mine = entry(object);
    mine.pointer = pointer;
    if (!std::ranges::contains(mine.asked, name)) {
        mine.asked.emplace_back(name);
    }
}

void KeyUse::ignore(const JsonValue& object) {
    entry(object).is_ignored = true;
}

std::vector<UnknownKey> KeyUse::unknown(bool in_any_case) const {
    std::vector<UnknownKey> keys;
    for (const Object& object : objects_) {
        if (object.is_ignored) {
            continue;
        }
        std::vector<std::string> absent;
        std::ranges::copy_if(object.asked, std::back_inserter(absent), [&](const std::string& name) {
            return std::ranges::none_of(object.value->members, [&](const JsonMember& member) {
                return is_same(member.name, name, in_any_case);
            });
        });
        for (const JsonMember& member : object.value->members) {
            const bool is_known = std::ranges::any_of(object.asked, [&](const std::string& name) {
                return is_same(name, member.name, in_any_case);
            });
            if (!is_known) {
                keys.push_back({object.pointer, member.name, similar_name(member.name, absent)});
            }
        }
    }
    return keys;
}

std::vector<RepeatedKey> repeated_keys(const JsonValue& root, bool in_any_case) {
    std::vector<RepeatedKey> repeated;
    find_repeated(root, "", in_any_case, repeated);
    return repeated;
}

std::string similar_name(std::string_view name, const std::vector<std::string>& names) {
    // One step for each three letters; more of them is another word.
    constexpr std::size_t letters_a_step = 3;
    constexpr std::size_t longest_name = 64;
    std::size_t least = std::min(name.size(), longest_name) / letters_a_step + 1;
    std::string similar;
    for (const std::string& candidate : names) {
        if (equal_in_any_case(candidate, name)) {
            return candidate;
        }
        const std::size_t steps = name.size() > longest_name ? least : distance(name, candidate);
        if (steps < least) {
            least = steps;
            similar = candidate;
        }
    }
    if (!similar.empty() || name.size() < letters_a_step) {
        return similar;
    }
    const auto related = std::ranges::find_if(names, [name](const std::string& candidate) {
        return candidate.size() >= letters_a_step && candidate.front() == name.front() &&
               (is_shortened(candidate, name) || is_shortened(name, candidate));
    });
    return related == names.end() ? "" : *related;
}

} // namespace hvisor::zone
