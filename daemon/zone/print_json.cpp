// SPDX-License-Identifier: Apache-2.0
#include "zone/print_json.hpp"

#include <algorithm>
#include <format>
#include <vector>

namespace hvisor::zone {
namespace {

bool is_container(const JsonValue& value) {
    return value.kind == JsonValue::Kind::array || value.kind == JsonValue::Kind::object;
}

/// Whether the value fits on a line with one comment: nothing in it has parts, and all of it is of one file.
bool is_flat(const JsonValue& value) {
    const auto is_plain = [&value](const JsonValue& part) {
        return !is_container(part) && part.source == value.source;
    };
    return std::ranges::all_of(value.elements, is_plain) &&
           std::ranges::all_of(value.members, is_plain, &JsonMember::value);
}

// The parser has bounded how deep this and Printer::print() go.
// NOLINTNEXTLINE(misc-no-recursion)
std::string print_flat(const JsonValue& value) {
    switch (value.kind) {
    case JsonValue::Kind::null:
        return "null";
    case JsonValue::Kind::boolean:
        return value.boolean ? "true" : "false";
    case JsonValue::Kind::number:
        return value.text;
    case JsonValue::Kind::string:
        return json_string(value.text);
    case JsonValue::Kind::array:
    case JsonValue::Kind::object:
        break;
    }
    std::string text;
    for (const JsonValue& element : value.elements) {
        text += (text.empty() ? "" : ", ") + print_flat(element);
    }
    for (const JsonMember& member : value.members) {
        text += std::format("{}{}: {}", text.empty() ? "" : ", ", json_string(member.name),
                            print_flat(member.value));
    }
    if (value.kind == JsonValue::Kind::array) {
        return "[" + text + "]";
    }
    return text.empty() ? "{}" : "{ " + text + " }";
}

class Printer {
  public:
    explicit Printer(const JsonDocument& document) : document_(document) {}

    /// `begin` is what stands before the value on its line, `end` what follows it: a comma or nothing.
    // NOLINTNEXTLINE(misc-no-recursion)
    void print(const JsonValue& value, const std::string& begin, std::string_view end) {
        const std::string indent(depth_ * 4, ' ');
        if (is_flat(value) && depth_ > 0) {
            text_ += std::format("{}{}{}{} // {}\n", indent, begin, print_flat(value), end,
                                 document_.locate(value, ""));
            return;
        }
        const bool is_array = value.kind == JsonValue::Kind::array;
        text_ += std::format("{}{}{}\n", indent, begin, is_array ? '[' : '{');
        ++depth_;
        for (const JsonValue& element : value.elements) {
            print(element, "", &element == &value.elements.back() ? "" : ",");
        }
        for (const JsonMember& member : value.members) {
            print(member.value, json_string(member.name) + ": ", &member == &value.members.back() ? "" : ",");
        }
        --depth_;
        text_ += std::format("{}{}{}\n", indent, is_array ? ']' : '}', end);
    }

    [[nodiscard]] std::string take() { return std::move(text_); }

  private:
    const JsonDocument& document_;
    std::string text_;
    std::size_t depth_ = 0;
};

} // namespace

std::string json_string(std::string_view text) {
    std::string result = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') {
            result += '\\';
            result += c;
        } else if (static_cast<unsigned char>(c) < 0x20) {
            result += std::format("\\u{:04x}", static_cast<unsigned char>(c));
        } else {
            result += c;
        }
    }
    return result + '"';
}

std::string print_with_origins(const JsonDocument& document) {
    Printer printer(document);
    printer.print(document.root(), "", "");
    return printer.take();
}

} // namespace hvisor::zone
