// SPDX-License-Identifier: Apache-2.0
#include "zone/config_reader.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <format>
#include <utility>

namespace hvisor::zone {
namespace {

/// Above it upstream's tool silently uses this number instead of the written one.
constexpr std::uint32_t max_json_number = 2147483647;

std::string_view describe(JsonValue::Kind kind) {
    switch (kind) {
    case JsonValue::Kind::null:
        return "null";
    case JsonValue::Kind::boolean:
        return "true or false";
    case JsonValue::Kind::number:
        return "a number";
    case JsonValue::Kind::string:
        return "a string";
    case JsonValue::Kind::array:
        return "an array";
    case JsonValue::Kind::object:
        return "an object";
    }
    std::unreachable();
}

/// All of `text` as digits of that base.
std::optional<std::uint64_t> parse_digits(std::string_view text, int base) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
    if (error != std::errc{} || end != text.data() + text.size()) {
        return std::nullopt;
    }
    return number;
}

} // namespace

std::string ConfigReader::key(std::string_view name) const {
    return std::format("{}/{}", pointer_, pointer_step(name));
}

std::optional<ConfigReader> ConfigReader::find(std::string_view name) const {
    problems_->keys().ask(*value_, pointer_, name);
    const JsonMember* member = form() == Form::upstream ? value_->find(name) : value_->find_exactly(name);
    if (member == nullptr) {
        return std::nullopt;
    }
    return ConfigReader(member->value, key(member->name), *problems_);
}

bool ConfigReader::has_key_like(std::string_view prefix) const {
    return std::ranges::any_of(value_->members, [prefix](const JsonMember& member) {
        return equal_in_any_case(std::string_view(member.name).substr(0, prefix.size()), prefix);
    });
}

std::optional<ConfigReader> ConfigReader::require(std::string_view name, std::string_view expected) const {
    auto value = find(name);
    if (!value) {
        problems_->add_missing(pointer_, name, expected);
    }
    return value;
}

bool ConfigReader::require_object(std::string_view expected) const {
    if (!is(JsonValue::Kind::object)) {
        problem(std::format("expected an object with {}, found {}", expected, describe(value_->kind)));
    } else {
        problems_->keys().open(*value_, pointer_);
    }
    return is(JsonValue::Kind::object);
}

std::vector<ConfigReader> ConfigReader::elements(std::size_t limit, std::string_view expected) const {
    std::vector<ConfigReader> readers;
    if (!is(JsonValue::Kind::array)) {
        problem(std::format("expected an array of {}, found {}", expected, describe(value_->kind)));
    } else if (value_->elements.size() > limit) {
        problem(std::format("there are {} elements; expected at most {}", value_->elements.size(), limit));
    } else {
        for (const JsonValue& element : value_->elements) {
            readers.emplace_back(element, std::format("{}/{}", pointer_, readers.size()), *problems_);
        }
    }
    return readers;
}

std::optional<std::string> ConfigReader::string(std::string_view expected) const {
    if (!is(JsonValue::Kind::string)) {
        problem(std::format("expected {}, found {}", expected, describe(value_->kind)));
        return std::nullopt;
    }
    return value_->text;
}

bool ConfigReader::boolean() const {
    if (is(JsonValue::Kind::number) && form() == Form::upstream) {
        return upstream_number().value_or(0) != 0;
    }
    if (!is(JsonValue::Kind::boolean)) {
        problem(std::format("expected true or false, found {}", describe(value_->kind)));
    }
    return value_->boolean;
}

/// The written number with a fraction cut off, as upstream's parser does.
std::optional<std::uint32_t> ConfigReader::upstream_number() const {
    double number = std::numeric_limits<double>::infinity(); // stays, where the digits are out of range
    const std::string& digits = value_->text;
    std::from_chars(digits.data(), digits.data() + digits.size(), number);
    number = std::trunc(number);
    if (number < 0) {
        problem(std::format("{} is negative; expected 0 or more", digits));
        return std::nullopt;
    }
    if (number > max_json_number) {
        problem(std::format(
            "{} is above {}, which upstream's tool would take instead; write it as a string, in decimal "
            "or as \"0x...\"",
            digits, max_json_number));
        return std::nullopt;
    }
    return static_cast<std::uint32_t>(number);
}

std::optional<std::uint64_t> ConfigReader::strict_number() const {
    const bool is_text = is(JsonValue::Kind::string);
    if (!is_text && !is(JsonValue::Kind::number)) {
        problem(
            std::format(R"(expected a number such as 4096 or "0x1000", found {})", describe(value_->kind)));
        return std::nullopt;
    }
    const auto number = parse_strict_number(value_->text);
    if (!number) {
        const std::string_view quote = is_text ? "\"" : "";
        problem(std::format("{0}{1}{0} is not a number as it is written here; expected a whole one of 0 or "
                            "more and at most 64 bits, decimal such as 4096 or hexadecimal such as "
                            "\"0x1000\"",
                            quote, value_->text));
    }
    return number;
}

/// Section 6.1: before 2026-03 upstream's tool took every string for hexadecimal.
void ConfigReader::warn_of_digits() const {
    const std::string& text = value_->text;
    if (text != "0" && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; })) {
        warn(std::format(R"("{}" was hexadecimal for upstream's tool before 2026-03 and is {} now; write it )"
                         "with 0x, or as a number",
                         text, text.starts_with('0') ? "octal" : "decimal"));
    }
}

std::optional<std::uint32_t> ConfigReader::plain_number() const {
    if (form() == Form::one_file) {
        const auto value = number(std::numeric_limits<std::uint32_t>::max());
        return value ? std::optional(static_cast<std::uint32_t>(*value)) : std::nullopt;
    }
    if (!is(JsonValue::Kind::number)) {
        problem(std::format("expected a plain number without quotes, found {}", describe(value_->kind)));
        return std::nullopt;
    }
    return upstream_number();
}

std::optional<std::uint64_t> ConfigReader::number(std::uint64_t limit) const {
    std::optional<std::uint64_t> number;
    if (form() == Form::one_file) {
        number = strict_number();
    } else if (is(JsonValue::Kind::number)) {
        number = upstream_number();
    } else if (!is(JsonValue::Kind::string)) {
        problem(
            std::format(R"(expected a number such as 4096 or "0x1000", found {})", describe(value_->kind)));
    } else if (number = parse_number(value_->text); !number) {
        problem(
            std::format(R"("{}" is not a number of at most 64 bits; expected one such as 4096 or "0x1000")",
                        value_->text));
    } else {
        warn_of_digits();
    }
    if (number > limit) {
        problem(std::format("{} is too large; expected at most {}", value_->text, limit));
        return std::nullopt;
    }
    return number;
}

void ConfigReader::read_plain(std::string_view name, std::uint32_t& target) const {
    if (const auto value = require(name, "a number")) {
        target = value->plain_number().value_or(0);
    }
}

std::string ConfigReader::read_string(std::string_view name, std::string_view expected) const {
    const auto value = require(name, expected);
    return value ? value->string(expected).value_or("") : "";
}

std::optional<std::uint64_t> parse_number(std::string_view text) {
    const std::size_t start = text.find_first_not_of(" \t\n\v\f\r");
    text.remove_prefix(start == std::string_view::npos ? text.size() : start);
    if (text.starts_with('+')) {
        text.remove_prefix(1);
    }
    int base = 10;
    if (text.starts_with("0x") || text.starts_with("0X")) {
        base = 16;
        text.remove_prefix(2);
    } else if (text.starts_with('0')) {
        base = 8;
    }
    return parse_digits(text, base);
}

std::optional<std::uint64_t> parse_strict_number(std::string_view text) {
    if (text.starts_with("0x")) {
        return parse_digits(text.substr(2), 16);
    }
    if (text.size() > 1 && text.starts_with('0')) {
        return std::nullopt; // octal for some, decimal for others
    }
    return parse_digits(text, 10);
}

} // namespace hvisor::zone
