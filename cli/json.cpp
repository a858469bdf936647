// SPDX-License-Identifier: Apache-2.0
#include "json.hpp"

#include "display.hpp"

#include <rapidjson/prettywriter.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <concepts>
#include <cstdint>
#include <tuple>
#include <type_traits>

namespace hvisor::cli {
namespace {

using Pretty = rapidjson::PrettyWriter<rapidjson::StringBuffer>;
using Line = rapidjson::Writer<rapidjson::StringBuffer>;

// NOLINTBEGIN(misc-no-recursion): D-Bus nests values at most 64 deep
template <class Writer>
void write(Writer& writer, const sdbus::Variant& value);

template <class Writer>
void write(Writer& writer, const std::string& text) {
    writer.String(text.data(), static_cast<rapidjson::SizeType>(text.size()));
}

template <class Writer, class Number>
    requires std::is_arithmetic_v<Number>
void write(Writer& writer, Number number) {
    if constexpr (std::same_as<Number, bool>) {
        writer.Bool(number);
    } else if constexpr (std::floating_point<Number>) {
        writer.Double(number);
    } else if constexpr (std::signed_integral<Number>) {
        writer.Int64(number);
    } else {
        writer.Uint64(number);
    }
}

template <class Writer, class Value>
void write(Writer& writer, const std::map<std::string, Value>& object) {
    writer.StartObject();
    for (const auto& [key, value] : object) {
        writer.Key(key.c_str());
        write(writer, value);
    }
    writer.EndObject();
}

template <class Writer, class... Values>
void write(Writer& writer, const sdbus::Struct<Values...>& values) {
    writer.StartArray();
    const std::tuple<Values...>& members = values;
    std::apply([&](const auto&... each) { (write(writer, each), ...); }, members);
    writer.EndArray();
}

template <class Writer, class Value>
void write(Writer& writer, const std::vector<Value>& array) {
    writer.StartArray();
    for (const auto& value : array) {
        write(writer, value);
    }
    writer.EndArray();
}

template <class T, class Writer>
bool write_if(Writer& writer, const sdbus::Variant& value) {
    if (!value.containsValueOfType<T>()) {
        return false;
    }
    write(writer, value.get<T>());
    return true;
}

template <class Writer, class... Types>
bool write_one_of(Writer& writer, const sdbus::Variant& value) {
    return (write_if<Types>(writer, value) || ...);
}

template <class Writer>
void write(Writer& writer, const sdbus::Variant& value) {
    const bool written =
        write_one_of<Writer, std::string, sdbus::ObjectPath, bool, std::uint8_t, std::uint16_t, std::uint32_t,
                     std::uint64_t, std::int32_t, std::int64_t, double, std::vector<std::uint32_t>,
                     std::vector<std::uint64_t>, std::vector<std::string>, std::vector<JsonObject>,
                     JsonObject, std::map<std::string, std::uint64_t>, DisplayShapes, DisplayCounts>(writer,
                                                                                                     value);
    if (!written) {
        writer.Null();
    }
}
// NOLINTEND(misc-no-recursion)

template <class Writer, class Value>
std::string render(const Value& value) {
    rapidjson::StringBuffer buffer;
    Writer writer(buffer);
    write(writer, value);
    return std::string(buffer.GetString(), buffer.GetSize()) + '\n';
}

} // namespace

std::string to_json(const std::vector<JsonObject>& objects) {
    return render<Pretty>(objects);
}

std::string to_json(const JsonObject& object) {
    return render<Pretty>(object);
}

std::string to_json_line(const JsonObject& object) {
    return render<Line>(object);
}

} // namespace hvisor::cli
