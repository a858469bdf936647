// SPDX-License-Identifier: Apache-2.0
#include "json.hpp"

#include <rapidjson/prettywriter.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <cstdint>
#include <string_view>

namespace hvisor::cli {
namespace {

using Pretty = rapidjson::PrettyWriter<rapidjson::StringBuffer>;
using Line = rapidjson::Writer<rapidjson::StringBuffer>;
using Dictionary = std::map<std::string, sdbus::Variant>;

template <class Writer>
void write(Writer& writer, const Dictionary& dictionary);

template <class Writer>
void write(Writer& writer, std::string_view text) {
    writer.String(text.data(), static_cast<rapidjson::SizeType>(text.size()));
}
template <class Writer>
void write(Writer& writer, bool value) {
    writer.Bool(value);
}
template <class Writer>
void write(Writer& writer, std::int64_t value) {
    writer.Int64(value);
}
template <class Writer>
void write(Writer& writer, std::uint64_t value) {
    writer.Uint64(value);
}
template <class Writer>
void write(Writer& writer, double value) {
    writer.Double(value);
}

// NOLINTBEGIN(misc-no-recursion): D-Bus nests values at most 64 deep
template <class T, class Writer>
bool write_list(Writer& writer, const sdbus::Variant& value) {
    if (!value.containsValueOfType<std::vector<T>>()) {
        return false;
    }
    writer.StartArray();
    for (const auto& element : value.get<std::vector<T>>()) {
        if constexpr (std::is_same_v<T, std::uint32_t>) {
            write(writer, std::uint64_t{element});
        } else {
            write(writer, element);
        }
    }
    writer.EndArray();
    return true;
}

template <class T, class As, class Writer>
bool write_one(Writer& writer, const sdbus::Variant& value) {
    if (!value.containsValueOfType<T>()) {
        return false;
    }
    write(writer, As{value.get<T>()});
    return true;
}

template <class Writer>
void write(Writer& writer, const sdbus::Variant& value) {
    const bool written =
        write_one<std::string, std::string>(writer, value) ||
        write_one<sdbus::ObjectPath, std::string>(writer, value) || write_one<bool, bool>(writer, value) ||
        write_one<std::uint8_t, std::uint64_t>(writer, value) ||
        write_one<std::uint16_t, std::uint64_t>(writer, value) ||
        write_one<std::uint32_t, std::uint64_t>(writer, value) ||
        write_one<std::uint64_t, std::uint64_t>(writer, value) ||
        write_one<std::int32_t, std::int64_t>(writer, value) ||
        write_one<std::int64_t, std::int64_t>(writer, value) || write_one<double, double>(writer, value) ||
        write_list<std::uint32_t>(writer, value) || write_list<std::uint64_t>(writer, value) ||
        write_list<std::string>(writer, value) || write_list<Dictionary>(writer, value) ||
        write_one<Dictionary, Dictionary>(writer, value);
    if (written) {
        return;
    }
    if (value.containsValueOfType<std::map<std::string, std::uint64_t>>()) {
        writer.StartObject();
        for (const auto& [key, number] : value.get<std::map<std::string, std::uint64_t>>()) {
            writer.Key(key.c_str());
            writer.Uint64(number);
        }
        writer.EndObject();
        return;
    }
    writer.Null();
}

template <class Writer>
void write(Writer& writer, const Dictionary& dictionary) {
    writer.StartObject();
    for (const auto& [key, value] : dictionary) {
        writer.Key(key.c_str());
        write(writer, value);
    }
    writer.EndObject();
}
// NOLINTEND(misc-no-recursion)

} // namespace

std::string to_json(const std::vector<JsonObject>& objects) {
    rapidjson::StringBuffer buffer;
    Pretty writer(buffer);
    writer.StartArray();
    for (const auto& object : objects) {
        write(writer, object);
    }
    writer.EndArray();
    return std::string(buffer.GetString(), buffer.GetSize()) + '\n';
}

std::string to_json(const JsonObject& object) {
    rapidjson::StringBuffer buffer;
    Pretty writer(buffer);
    write(writer, object);
    return std::string(buffer.GetString(), buffer.GetSize()) + '\n';
}

std::string to_json_line(const JsonObject& object) {
    rapidjson::StringBuffer buffer;
    Line writer(buffer);
    write(writer, object);
    return std::string(buffer.GetString(), buffer.GetSize()) + '\n';
}

} // namespace hvisor::cli
