// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "zone/json_document.hpp"
#include "zone/key_use.hpp"

#include <functional>
#include <initializer_list>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace hvisor::zone {

/// How strictly a file is read.
enum class Form {
    upstream, ///< as upstream's tool reads it; what that ignores or takes for something else is a warning
    one_file, ///< as hvisor-zone(5) says; what is not understood is a problem
};

/// Everything that is wrong with one file, so that a person corrects it once.
class Problems {
  public:
    explicit Problems(const JsonDocument& document, Form form = Form::upstream)
        : document_(document), form_(form) {}

    [[nodiscard]] Form form() const { return form_; }
    [[nodiscard]] KeyUse& keys() { return keys_; }

    /// `what` says what is wrong and what is expected, of the value at `pointer`.
    void add(std::string_view pointer, std::string_view what, ErrorCode code = ErrorCode::invalid_config);

    /// The object at `object` lacks the key `name`.
    void add_missing(const std::string& object, std::string_view name, std::string_view expected);

    /// The file can be used, but does not say what its writer may believe.
    void warn(std::string_view pointer, std::string_view what);

    /// Once all has been read: keys that nobody asked for, keys that are
    /// repeated, text behind the document. Problems in the one-file form, where
    /// a key that is only misspelt is no missing one, too; warnings in upstream's.
    void check_keys();

    [[nodiscard]] bool empty() const { return lines_.empty(); }

    /// Whether nothing is wrong at or below these keys at the top of the file, so
    /// that what was read from them can be judged further. Of a pointer, without
    /// its first slash, the key at the top counts.
    [[nodiscard]] bool are_sound(std::initializer_list<std::string_view> keys) const;

    /// All problems, a line each; the code is the first one's.
    [[nodiscard]] Result<void> result() const;

    /// "FILE:LINE:COLUMN: /json/pointer: what", in the order they were found.
    [[nodiscard]] const std::vector<std::string>& warnings() const { return warnings_; }

  private:
    struct Line {
        std::string text;
        std::string missing; ///< pointer of the key that is not there, for such a problem
    };

    void add_unknown(const UnknownKey& key);
    void add_repeated(const RepeatedKey& key);

    const JsonDocument& document_;
    Form form_;
    KeyUse keys_;
    void spoil(std::string_view pointer);

    std::vector<Line> lines_;
    std::set<std::string, std::less<>> spoiled_; ///< keys at the top with a problem; "" is the whole file
    std::vector<std::string> warnings_;
    ErrorCode code_ = ErrorCode::invalid_config;
};

/// The problems of both; the code is the first one's.
[[nodiscard]] Result<void> join(Result<void> one, Result<void> other);

} // namespace hvisor::zone
