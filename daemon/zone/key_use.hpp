// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "zone/json_document.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace hvisor::zone {

/// A key that nobody has asked for.
struct UnknownKey {
    std::string object; ///< JSON pointer of what it stands in
    std::string name;
    std::string similar; ///< a key that was asked for, is not there and looks like it; "" when none does
};

/// A key that stands in its object a second time.
struct RepeatedKey {
    std::string pointer;
    const JsonValue* value = nullptr;
    const JsonValue* first = nullptr;
};

/// Which keys the readers ask for. So the list of known keys is the code that
/// reads them, and cannot disagree with it.
class KeyUse {
  public:
    /// A reader looks into `object`, whatever for.
    void open(const JsonValue& object, const std::string& pointer);

    /// A reader looks for `name` in `object`.
    void ask(const JsonValue& object, const std::string& pointer, std::string_view name);

    /// What stands in `object` is not judged: reading it was given up, or nothing in it is of use.
    void ignore(const JsonValue& object);

    /// The keys of the objects that were looked into and that nobody asked for, in the file's order.
    [[nodiscard]] std::vector<UnknownKey> unknown(bool in_any_case) const;

  private:
    struct Object {
        const JsonValue* value = nullptr;
        std::string pointer;
        std::vector<std::string> asked;
        bool is_ignored = false;
    };

    Object& entry(const JsonValue& object);

    std::vector<Object> objects_;
};

/// Every key below `root` that repeats an earlier one of its object.
[[nodiscard]] std::vector<RepeatedKey> repeated_keys(const JsonValue& root, bool in_any_case);

/// The one of `names` that a person who wrote `name` most likely meant; "" when
/// none is near: letters in another case, or few of them wrong, missing, too many or swapped.
[[nodiscard]] std::string similar_name(std::string_view name, const std::vector<std::string>& names);

} // namespace hvisor::zone
