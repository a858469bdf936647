// SPDX-License-Identifier: Apache-2.0
#include "zone/problems.hpp"

#include <algorithm>
#include <format>

namespace hvisor::zone {

void Problems::add(std::string_view pointer, std::string_view what, ErrorCode code) {
    if (lines_.empty()) {
        code_ = code;
    }
    lines_.push_back({std::format("{}: {}", document_.locate(pointer), what), {}});
    spoil(pointer);
}

void Problems::spoil(std::string_view pointer) {
    const std::string_view key = pointer.substr(std::min<std::size_t>(pointer.size(), 1));
    spoiled_.emplace(key.substr(0, key.find('/')));
}

bool Problems::are_sound(std::initializer_list<std::string_view> keys) const {
    return !spoiled_.contains("") && std::ranges::none_of(keys, [this](std::string_view key) {
        return spoiled_.contains(key.substr(0, key.find('/')));
    });
}

void Problems::add_missing(const std::string& object, std::string_view name, std::string_view expected) {
    const std::string pointer = object + "/" + pointer_step(name);
    add(pointer, std::format("this key is missing; expected {}", expected));
    lines_.back().missing = pointer;
}

void Problems::warn(std::string_view pointer, std::string_view what) {
    warnings_.push_back(std::format("{}: {}", document_.locate(pointer), what));
}

void Problems::add_unknown(const UnknownKey& key) {
    const std::string pointer = key.object + "/" + pointer_step(key.name);
    const std::string hint = key.similar.empty() ? "" : std::format("; did you mean {}?", key.similar);
    if (form_ == Form::upstream) {
        warn(pointer, std::format("this key is ignored, as upstream's tool does{}", hint));
        return;
    }
    if (!key.similar.empty()) {
        const std::string meant = key.object + "/" + pointer_step(key.similar);
        std::erase_if(lines_, [&meant](const Line& line) { return line.missing == meant; });
    }
    add(pointer, hint.empty() ? "there is no such key; remove it" : "there is no such key" + hint);
}

void Problems::add_repeated(const RepeatedKey& key) {
    const std::string place = document_.locate(*key.value, key.pointer);
    const std::string first = document_.locate(*key.first, "");
    if (form_ == Form::upstream) {
        warnings_.push_back(
            std::format("{}: this key is repeated and ignored; the one at {} counts", place, first));
    } else {
        lines_.push_back(
            {std::format("{}: this key is repeated; it stands at {} already", place, first), {}});
    }
}

void Problems::check_keys() {
    const bool in_any_case = form_ == Form::upstream;
    for (const RepeatedKey& key : repeated_keys(document_.root(), in_any_case)) {
        add_repeated(key);
    }
    for (const UnknownKey& key : keys_.unknown(in_any_case)) {
        add_unknown(key);
    }
    if (form_ == Form::one_file && document_.has_trailing_text()) {
        lines_.push_back({std::format("{}: there is text behind the end of the zone; remove it",
                                      document_.locate_trailing_text()),
                          {}});
    }
}

Result<void> Problems::result() const {
    if (lines_.empty()) {
        return {};
    }
    std::string message;
    for (const Line& line : lines_) {
        message += message.empty() ? "" : "\n";
        message += line.text;
    }
    return std::unexpected(Error{code_, std::move(message)});
}

Result<void> join(Result<void> one, Result<void> other) {
    if (!one && !other) {
        one.error().message += "\n" + other.error().message;
    }
    return one ? other : one;
}

} // namespace hvisor::zone
