// SPDX-License-Identifier: Apache-2.0
#include "zone/json_document.hpp"

#include <algorithm>
#include <charconv>
#include <format>
#include <optional>
#include <ranges>
#include <rapidjson/error/en.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>
#include <utility>

namespace hvisor::zone {
namespace {

/// Configuration comes over the bus too: what it may cost is bounded.
constexpr std::size_t max_text_size = 1024UL * 1024;
constexpr std::size_t max_json_depth = 32;
// Twice of what a zone with all that it may have needs; each may be a line of its own in an error.
constexpr std::size_t max_values = 4096;

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

/// "LINE:COLUMN", both from 1; a column is a character, not a byte.
std::string line_and_column(std::string_view text, std::size_t offset) {
    const std::string_view before = text.substr(0, offset);
    const std::size_t line_start = before.rfind('\n') + 1; // npos + 1 is 0, the first line
    const auto is_character = [](char c) { return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U; };
    return std::format("{}:{}", std::ranges::count(before, '\n') + 1,
                       std::ranges::count_if(before.substr(line_start), is_character) + 1);
}

/// Builds the tree. RapidJSON calls it after each token, when the stream's
/// position is the token's end.
class TreeBuilder : public rapidjson::BaseReaderHandler<rapidjson::UTF8<>, TreeBuilder> {
  public:
    TreeBuilder(std::string_view text, const rapidjson::MemoryStream& stream)
        : text_(text), stream_(stream) {}

    JsonValue take_root() { return std::move(root_); }
    [[nodiscard]] const char* refusal() const { return refusal_; }
    [[nodiscard]] std::size_t position() const { return stream_.Tell(); }

    // The names below are RapidJSON's handler concept.
    // NOLINTBEGIN(readability-identifier-naming)
    bool Null() {
        place(JsonValue::Kind::null, position() - 4);
        return refusal_ == nullptr;
    }
    bool Bool(bool value) {
        place(JsonValue::Kind::boolean, position() - (value ? 4 : 5)).boolean = value;
        return refusal_ == nullptr;
    }
    bool RawNumber(const char* digits, rapidjson::SizeType length, bool /*copy*/) {
        place(JsonValue::Kind::number, position() - length).text.assign(digits, length);
        return refusal_ == nullptr;
    }
    bool String(const char* characters, rapidjson::SizeType length, bool /*copy*/) {
        JsonValue& value = place(JsonValue::Kind::string, opening_quote());
        value.text.assign(characters, length);
        return accept(value.text);
    }
    bool Key(const char* characters, rapidjson::SizeType length, bool /*copy*/) {
        key_.assign(characters, length);
        return accept(key_);
    }
    bool StartObject() { return open(JsonValue::Kind::object); }
    bool EndObject(rapidjson::SizeType /*members*/) { return close(); }
    bool StartArray() { return open(JsonValue::Kind::array); }
    bool EndArray(rapidjson::SizeType /*elements*/) { return close(); }
    // NOLINTEND(readability-identifier-naming)

  private:
    /// Pointers to the open containers stay valid: a vector grows only while
    /// it belongs to the innermost one.
    JsonValue& place(JsonValue::Kind kind, std::size_t offset) {
        if (++values_ > max_values) {
            refusal_ = "there are more values than a configuration can have";
        }
        JsonValue* value = &root_;
        if (!open_.empty()) {
            JsonValue& container = *open_.back();
            value = container.kind == JsonValue::Kind::object
                        ? &container.members.emplace_back(std::exchange(key_, {}), JsonValue{}).value
                        : &container.elements.emplace_back();
        }
        value->kind = kind;
        value->offset = offset;
        return *value;
    }

    bool open(JsonValue::Kind kind) {
        open_.push_back(&place(kind, position() - 1));
        if (open_.size() > max_json_depth) {
            refusal_ = "arrays and objects are nested too deep for a configuration";
        }
        return refusal_ == nullptr;
    }

    bool close() {
        open_.pop_back();
        return true;
    }

    /// No value of a configuration can hold one: names and paths end at a NUL.
    bool accept(const std::string& characters) {
        if (characters.contains('\0')) {
            refusal_ = R"(a string contains the character \u0000)";
        }
        return refusal_ == nullptr;
    }

    /// Where the string that ends here starts: quotes inside it are all escaped.
    [[nodiscard]] std::size_t opening_quote() const {
        const auto escaped = [this](std::size_t at) {
            std::size_t backslashes = 0;
            while (backslashes < at && text_[at - backslashes - 1] == '\\') {
                ++backslashes;
            }
            return backslashes % 2 == 1;
        };
        std::size_t at = position() - 2;
        while (at > 0 && (text_[at] != '"' || escaped(at))) {
            --at;
        }
        return at;
    }

    std::string_view text_;
    const rapidjson::MemoryStream& stream_;
    JsonValue root_;
    std::vector<JsonValue*> open_;
    std::string key_;
    std::size_t values_ = 0;
    const char* refusal_ = nullptr;
};

/// The member that a step of a JSON pointer means: of exactly that name, or of it in another case.
const JsonValue* find_step(const JsonValue& value, std::string_view step) {
    const JsonValue* in_other_case = nullptr;
    for (const JsonMember& member : value.members) {
        const std::string name = pointer_step(member.name);
        if (name == step) {
            return &member.value;
        }
        if (in_other_case == nullptr && equal_in_any_case(name, step)) {
            in_other_case = &member.value;
        }
    }
    return in_other_case;
}

/// The value that a JSON pointer leads to, or the last one on its way; and whether it is the whole way.
std::pair<const JsonValue*, bool> follow(const JsonValue& root, std::string_view pointer) {
    const JsonValue* value = &root;
    for (const auto step : pointer | std::views::drop(1) | std::views::split('/')) {
        const std::string_view name(step);
        const JsonValue* next = nullptr;
        if (value->kind == JsonValue::Kind::array) {
            std::size_t index = 0;
            const bool is_index = std::from_chars(name.begin(), name.end(), index).ptr == name.end();
            next = is_index && index < value->elements.size() ? &value->elements[index] : nullptr;
        } else {
            next = find_step(*value, name);
        }
        if (next == nullptr) {
            return {value, false};
        }
        value = next;
    }
    return {value, true};
}

/// What is wrong at `offset`: in our words where RapidJSON's lead astray, else in its own.
std::string describe(rapidjson::ParseErrorCode code, std::string_view text, std::size_t offset) {
    const char here = offset < text.size() ? text[offset] : '\0';
    if ((here == 'x' || here == 'X') && offset > 0 && text[offset - 1] == '0') {
        return R"(JSON has no hexadecimal numbers; expected a string such as "0x1000")";
    }
    if (code == rapidjson::kParseErrorStringEscapeInvalid && (here == '\n' || here == '\r')) {
        return "a string does not end on its line; expected a closing double quote";
    }
    if (code == rapidjson::kParseErrorValueInvalid) {
        return "there is no value here; expected a string in double quotes, a number, true, false, null, an "
               "array or an object";
    }
    std::string sentence = rapidjson::GetParseError_En(code);
    sentence.front() = lower(sentence.front());
    if (sentence.ends_with('.')) {
        sentence.pop_back();
    }
    return "not valid JSON: " + sentence;
}

/// Editors of other systems put a mark before UTF-8, and upstream's parser skips it.
ConfigText without_byte_order_mark(const ConfigText& config) {
    constexpr std::string_view mark = "\xef\xbb\xbf";
    return config.text.starts_with(mark) ? ConfigText{config.name, config.text.substr(mark.size())} : config;
}

/// What the text is, where it is none that can be parsed, and the offset at which that shows.
std::optional<std::pair<std::string_view, std::size_t>> refuse_encoding(std::string_view text) {
    if (text.starts_with("\xff\xfe") || text.starts_with("\xfe\xff")) {
        return std::pair(std::string_view("this is UTF-16; save it as UTF-8"), std::size_t{0});
    }
    // A parser that takes it for the end would not see what stands behind.
    if (const std::size_t nul = text.find('\0'); nul != std::string_view::npos) {
        return std::pair(
            std::string_view("there is a NUL byte, so this is no text or a damaged one; write it anew"), nul);
    }
    return std::nullopt;
}

} // namespace

const JsonMember* JsonValue::find(std::string_view name) const {
    const auto found = std::ranges::find_if(
        members, [name](const JsonMember& member) { return equal_in_any_case(member.name, name); });
    return found == members.end() ? nullptr : &*found;
}

const JsonMember* JsonValue::find_exactly(std::string_view name) const {
    const auto found = std::ranges::find(members, name, &JsonMember::name);
    return found == members.end() ? nullptr : &*found;
}

Result<JsonDocument> JsonDocument::parse(const ConfigText& given) {
    const ConfigText config = without_byte_order_mark(given);
    if (config.text.size() > max_text_size) {
        return fail(ErrorCode::invalid_config,
                    "{}: the file is {} bytes large; a configuration has at most {}", config.name,
                    config.text.size(), max_text_size);
    }
    if (const auto refusal = refuse_encoding(config.text)) {
        return fail(ErrorCode::invalid_config, "{}:{}: {}", config.name,
                    line_and_column(config.text, refusal->second), refusal->first);
    }
    constexpr unsigned flags = rapidjson::kParseCommentsFlag | rapidjson::kParseTrailingCommasFlag |
                               rapidjson::kParseNumbersAsStringsFlag | rapidjson::kParseStopWhenDoneFlag |
                               rapidjson::kParseValidateEncodingFlag;
    // MemoryStream is the one RapidJSON does not work on a copy of: the builder needs its position.
    rapidjson::MemoryStream stream(config.text.data(), config.text.size());
    TreeBuilder builder(config.text, stream);
    rapidjson::Reader reader;
    const rapidjson::ParseResult result = reader.Parse<flags>(stream, builder);
    if (result.IsError()) {
        const std::size_t offset = std::min(result.Offset(), config.text.size());
        return fail(ErrorCode::invalid_config, "{}:{}: {}", config.name, line_and_column(config.text, offset),
                    builder.refusal() != nullptr ? builder.refusal()
                                                 : describe(result.Code(), config.text, offset));
    }
    return JsonDocument(config, builder.take_root(), stream.Tell());
}

std::string JsonDocument::locate(std::string_view pointer) const {
    return locate(*follow(*root_, pointer).first, pointer);
}

const JsonValue* JsonDocument::find(std::string_view pointer) const {
    const auto [value, is_whole] = follow(*root_, pointer);
    return is_whole ? value : nullptr;
}

std::string JsonDocument::locate(const JsonValue& value, std::string_view pointer) const {
    const ConfigText& source = sources_[value.source];
    const std::string place = std::format("{}:{}", source.name, line_and_column(source.text, value.offset));
    return pointer.empty() ? place : std::format("{}: {}", place, pointer);
}

bool JsonDocument::has_trailing_text() const {
    // What the parser finds empty has nothing but blanks and comments.
    const std::string_view rest = std::string_view(sources_.front().text).substr(end_);
    rapidjson::MemoryStream stream(rest.data(), rest.size());
    rapidjson::BaseReaderHandler<> nobody;
    const auto result = rapidjson::Reader().Parse<rapidjson::kParseCommentsFlag>(stream, nobody);
    return result.Code() != rapidjson::kParseErrorDocumentEmpty;
}

std::string JsonDocument::locate_trailing_text() const {
    const ConfigText& source = sources_.front();
    return std::format("{}:{}", source.name, line_and_column(source.text, end_));
}

std::string pointer_step(std::string_view name) {
    std::string step;
    for (const char c : name) {
        if (c == '~') {
            step += "~0";
        } else if (c == '/') {
            step += "~1";
        } else {
            step += c;
        }
    }
    return step;
}

bool equal_in_any_case(std::string_view a, std::string_view b) {
    return std::ranges::equal(a, b, {}, lower, lower);
}

} // namespace hvisor::zone
