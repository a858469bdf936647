// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "zone/json_document.hpp"
#include "zone/problems.hpp"

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace hvisor::zone {

/// One value of a file on its way into the model. Every member that does not
/// find what it looks for adds a problem and returns nothing or a zero, so that reading goes on.
class ConfigReader {
  public:
    ConfigReader(const JsonValue& value, std::string pointer, Problems& problems)
        : value_(&value), pointer_(std::move(pointer)), problems_(&problems) {}

    [[nodiscard]] const std::string& pointer() const { return pointer_; }
    [[nodiscard]] bool is(JsonValue::Kind kind) const { return value_->kind == kind; }
    [[nodiscard]] bool is_empty_array() const {
        return is(JsonValue::Kind::array) && value_->elements.empty();
    }
    [[nodiscard]] std::string key(std::string_view name) const;
    [[nodiscard]] Form form() const { return problems_->form(); }
    void problem(std::string_view what) const { problems_->add(pointer_, what); }
    void warn(std::string_view what) const { problems_->warn(pointer_, what); }

    /// The keys of this object that nobody asks for are not judged.
    void ignore_other_keys() const { problems_->keys().ignore(*value_); }

    /// The member of that name, in any case in upstream's form.
    [[nodiscard]] std::optional<ConfigReader> find(std::string_view name) const;

    /// Whether a key of the object starts with `prefix`, in any case.
    [[nodiscard]] bool has_key_like(std::string_view prefix) const;

    /// find(), where a missing key is a problem; `expected` says what belongs there.
    [[nodiscard]] std::optional<ConfigReader> require(std::string_view name, std::string_view expected) const;

    /// Whether the value is an object; a problem if not.
    [[nodiscard]] bool require_object(std::string_view expected) const;

    /// The elements of an array of at most `limit`.
    [[nodiscard]] std::vector<ConfigReader> elements(std::size_t limit, std::string_view expected) const;

    [[nodiscard]] std::optional<std::string> string(std::string_view expected) const;

    /// true or false; in upstream's form also a number as C has it.
    [[nodiscard]] bool boolean() const;

    /// What upstream's form has as a JSON number and nothing else ("N" in
    /// section 6.1 of the hvisor interface); in the one-file form it is as any other.
    [[nodiscard]] std::optional<std::uint32_t> plain_number() const;

    /// A JSON number or a string that holds one ("NS"), at most `limit`.
    [[nodiscard]] std::optional<std::uint64_t> number(std::uint64_t limit) const;

    template <class T>
    void read(T& target) const {
        static_assert(std::is_unsigned_v<T>);
        target = static_cast<T>(number(std::numeric_limits<T>::max()).value_or(0));
    }

    /// The required NS key of an object.
    template <class T>
    void read(std::string_view name, T& target) const {
        if (const auto value = require(name, "a number such as 4096 or \"0x1000\"")) {
            value->read(target);
        }
    }

    /// The same, where 0 is a problem.
    template <class T>
    void read_non_zero(std::string_view name, T& target) const {
        if (const auto value = require(name, "a number above 0")) {
            const auto number = value->number(std::numeric_limits<T>::max());
            target = static_cast<T>(number.value_or(0));
            if (number == 0) {
                value->problem("this is 0; expected a number above 0");
            }
        }
    }

    /// The required N key of an object.
    void read_plain(std::string_view name, std::uint32_t& target) const;

    /// The required string key of an object.
    [[nodiscard]] std::string read_string(std::string_view name, std::string_view expected) const;

  private:
    [[nodiscard]] std::optional<std::uint32_t> upstream_number() const;
    [[nodiscard]] std::optional<std::uint64_t> strict_number() const;
    void warn_of_digits() const;

    const JsonValue* value_;
    std::string pointer_;
    Problems* problems_;
};

/// A number as C's strtoumax with base 0 reads it: decimal, 0x hexadecimal or
/// 0 octal, blanks before it allowed, nothing behind it. Nothing for anything else.
[[nodiscard]] std::optional<std::uint64_t> parse_number(std::string_view text);

/// A number as the one-file form has it: decimal without a leading 0, or 0x and
/// hexadecimal digits. Nothing for anything else.
[[nodiscard]] std::optional<std::uint64_t> parse_strict_number(std::string_view text);

} // namespace hvisor::zone
