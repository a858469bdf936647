// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hvisor::zone {

/// The members of a JSON object that is being written, in order.
class JsonMembers {
  public:
    /// `value` is JSON already.
    void add(std::string_view key, const std::string& value);
    /// Addresses and sizes, as hexadecimal strings.
    void add(std::initializer_list<std::pair<std::string_view, std::uint64_t>> addresses);
    void add_number(std::string_view key, std::uint64_t number);
    /// Unless it is 0, which stands for a key that is not there.
    void add_optional(std::string_view key, std::uint64_t number);

    [[nodiscard]] bool empty() const { return members_.empty(); }
    /// The object on one line, or with a line for each member, which `indent` stands before.
    [[nodiscard]] std::string line() const;
    [[nodiscard]] std::string lines(std::string_view indent) const;

  private:
    std::vector<std::string> members_;
};

/// A number as a hexadecimal JSON string.
[[nodiscard]] std::string hex(std::uint64_t number);

[[nodiscard]] std::string join(const std::vector<std::string>& parts, std::string_view separator);

} // namespace hvisor::zone
