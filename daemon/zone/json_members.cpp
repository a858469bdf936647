// SPDX-License-Identifier: Apache-2.0
#include "zone/json_members.hpp"

#include "zone/print_json.hpp"

#include <format>

namespace hvisor::zone {

void JsonMembers::add(std::string_view key, const std::string& value) {
    members_.push_back(std::format("{}: {}", json_string(key), value));
}

void JsonMembers::add(std::initializer_list<std::pair<std::string_view, std::uint64_t>> addresses) {
    for (const auto& [key, number] : addresses) {
        add(key, hex(number));
    }
}

void JsonMembers::add_number(std::string_view key, std::uint64_t number) {
    add(key, std::to_string(number));
}

void JsonMembers::add_optional(std::string_view key, std::uint64_t number) {
    if (number != 0) {
        add_number(key, number);
    }
}

std::string JsonMembers::line() const {
    return empty() ? "{}" : "{ " + join(members_, ", ") + " }";
}

std::string JsonMembers::lines(std::string_view indent) const {
    return std::format("{{\n{0}    {1}\n{0}}}", indent, join(members_, std::format(",\n{}    ", indent)));
}

std::string hex(std::uint64_t number) {
    return std::format("\"{:#x}\"", number);
}

std::string join(const std::vector<std::string>& parts, std::string_view separator) {
    std::string text;
    for (const std::string& part : parts) {
        text += text.empty() ? "" : separator;
        text += part;
    }
    return text;
}

} // namespace hvisor::zone
