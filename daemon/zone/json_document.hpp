// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "zone/config_text.hpp"

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace hvisor::zone {

struct JsonMember;

/// One value of a JSON text and where it starts. A tree of its own, and not
/// RapidJSON's, because that one forgets positions, rounds large numbers, and
/// every message of this room must name the line a person has to change.
struct JsonValue {
    enum class Kind { null, boolean, number, string, array, object };

    Kind kind = Kind::null;
    std::size_t source = 0; ///< the text of the document that it stands in
    std::size_t offset = 0; ///< bytes from the start of that text
    bool boolean = false;
    std::string text;                ///< a string's characters, or a number as it is written
    std::vector<JsonValue> elements; ///< of an array
    std::vector<JsonMember> members; ///< of an object, duplicates included, in order

    /// The member of that name in any case; the first one where it is
    /// repeated, as upstream's parser has it (hvisor interface, section 6.1).
    [[nodiscard]] const JsonMember* find(std::string_view name) const;

    /// The member of exactly that name, the first one where it is repeated.
    [[nodiscard]] const JsonMember* find_exactly(std::string_view name) const;
};

struct JsonMember {
    std::string name;
    JsonValue value;
};

/// A parsed configuration file that still knows its text, and those of the
/// files that were merged into it. Comments and trailing commas are allowed;
/// what follows the document is ignored. Copies share the tree.
class JsonDocument {
  public:
    [[nodiscard]] static Result<JsonDocument> parse(const ConfigText& given);

    [[nodiscard]] const JsonValue& root() const { return *root_; }
    /// Of the file, not of those merged into it.
    [[nodiscard]] const std::string& name() const { return sources_.front().name; }

    /// Change the document as `patch` says (RFC 7386): its members replace
    /// those here or join them, objects are merged, null takes a member away,
    /// and all else, arrays too, is replaced. Every value still knows its file.
    /// Not for a document that has been copied.
    void merge(JsonDocument patch);

    /// "FILE:LINE:COLUMN: /json/pointer" of a value, or of the nearest value
    /// around it where there is none: a missing key is reported at its object.
    [[nodiscard]] std::string locate(std::string_view pointer) const;

    /// The same of a value that `pointer` does not lead to, because its key is repeated.
    [[nodiscard]] std::string locate(const JsonValue& value, std::string_view pointer) const;

    /// The value at `pointer`; null where there is none.
    [[nodiscard]] const JsonValue* find(std::string_view pointer) const;

    /// Whether anything but blanks and comments follows the document, and where it begins.
    [[nodiscard]] bool has_trailing_text() const;
    [[nodiscard]] std::string locate_trailing_text() const;

  private:
    JsonDocument(const ConfigText& config, JsonValue root, std::size_t end)
        : sources_{config}, root_(std::make_shared<JsonValue>(std::move(root))), end_(end) {}

    std::vector<ConfigText> sources_; ///< the file, then what was merged into it
    std::shared_ptr<JsonValue> root_;
    std::size_t end_; ///< of the document in the file's text
};

/// `name` as one step of a JSON pointer (RFC 6901, section 3).
[[nodiscard]] std::string pointer_step(std::string_view name);

/// Equal but for the case of ASCII letters.
[[nodiscard]] bool equal_in_any_case(std::string_view a, std::string_view b);

} // namespace hvisor::zone
