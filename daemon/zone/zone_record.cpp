// SPDX-License-Identifier: Apache-2.0
#include "zone/zone_record.hpp"

#include "base/errno_text.hpp"
#include "zone/json_document.hpp"
#include "zone/json_members.hpp"
#include "zone/print_json.hpp"

#include <cerrno>
#include <charconv>
#include <fcntl.h>
#include <string_view>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace hvisor::zone {
namespace {

/// One more with each change of what is below.
constexpr std::uint64_t record_layout = 2;
/// More than every file of a zone together can have.
constexpr std::size_t longest_record = std::size_t{64} << 20;

std::string text_of(const ConfigText& text) {
    JsonMembers members;
    members.add("name", json_string(text.name));
    members.add("text", json_string(text.text));
    return members.line();
}

std::string list_of(const std::vector<std::string>& elements) {
    return "[" + join(elements, ",\n") + "]";
}

/// Reads members of one object; what is not there stays as it is, and is told once.
class RecordReader {
  public:
    RecordReader(const JsonValue& value, bool& is_sound) : value_(value), is_sound_(is_sound) {}

    void get(std::string_view key, std::string& to) const {
        if (const auto* value = find(key, JsonValue::Kind::string)) {
            to = value->text;
        }
    }
    template <class Number>
        requires std::is_integral_v<Number>
    void get(std::string_view key, Number& to) const {
        if (const auto* value = find(key, JsonValue::Kind::number)) {
            const auto* end = value->text.data() + value->text.size();
            const auto [rest, error] = std::from_chars(value->text.data(), end, to);
            is_sound_ = is_sound_ && error == std::errc() && rest == end;
        }
    }
    void get(std::string_view key, bool& to) const {
        if (const auto* value = find(key, JsonValue::Kind::boolean)) {
            to = value->boolean;
        }
    }
    void get(std::string_view key, ConfigText& to) const {
        if (const auto* value = find(key, JsonValue::Kind::object)) {
            const RecordReader text(*value, is_sound_);
            text.get("name", to.name);
            text.get("text", to.text);
        }
    }
    template <class Read>
    void each(std::string_view key, Read read) const {
        if (const auto* value = find(key, JsonValue::Kind::array)) {
            for (const auto& element : value->elements) {
                read(RecordReader(element, is_sound_));
            }
        }
    }

  private:
    [[nodiscard]] const JsonValue* find(std::string_view key, JsonValue::Kind kind) const {
        const auto* member = value_.find_exactly(key);
        if (member == nullptr || member->value.kind != kind) {
            is_sound_ = false;
            return nullptr;
        }
        return &member->value;
    }

    const JsonValue& value_;
    bool& is_sound_;
};

} // namespace

std::string write_zone_record(const ZoneRecord& record) {
    std::vector<std::string> files;
    for (const auto& [path, key] : record.origin.files) {
        JsonMembers file;
        file.add("path", json_string(path));
        file.add("key", json_string(key));
        files.push_back(file.line());
    }
    std::vector<std::string> devices;
    for (const ZoneRecord::Device& each : record.devices) {
        JsonMembers device;
        device.add_number("address", each.address);
        device.add("key", json_string(each.key));
        device.add("image", json_string(each.image));
        device.add("text", text_of(each.text));
        devices.push_back(device.line());
    }
    JsonMembers members;
    members.add_number("layout", record_layout);
    members.add_number("id", record.id);
    members.add("name", json_string(record.name));
    members.add_number("started", static_cast<std::uint64_t>(record.started_ns));
    members.add("ended", json_string(record.ended));
    members.add("configured", json_string(record.origin.configured));
    members.add("zone", text_of(record.origin.zone));
    members.add("virtio", text_of(record.origin.virtio));
    members.add("may_open", record.origin.may_open ? "true" : "false");
    members.add("files", list_of(files));
    members.add("devices", list_of(devices));
    return members.lines("");
}

Result<ZoneRecord> read_zone_record(const std::string& text) {
    constexpr std::string_view what = "what the daemon before this one has left of a zone";
    const auto document = JsonDocument::parse({.name = "record", .text = text});
    if (!document) {
        return std::unexpected(Error(document.error()).with_context(std::string(what)));
    }
    bool is_sound = true;
    const RecordReader all(document->root(), is_sound);
    std::uint64_t layout = 0;
    all.get("layout", layout);
    if (is_sound && layout != record_layout) {
        return fail(
            ErrorCode::incompatible,
            "{} has the layout {}, this one knows {}: start that one again, or shut the zone down and "
            "start it",
            what, layout, record_layout);
    }
    ZoneRecord record;
    all.get("id", record.id);
    all.get("name", record.name);
    all.get("started", record.started_ns);
    all.get("ended", record.ended);
    all.get("configured", record.origin.configured);
    all.get("zone", record.origin.zone);
    all.get("virtio", record.origin.virtio);
    all.get("may_open", record.origin.may_open);
    all.each("files", [&](const RecordReader& from) {
        auto& file = record.origin.files.emplace_back();
        from.get("path", file.path);
        from.get("key", file.key);
    });
    all.each("devices", [&](const RecordReader& from) {
        auto& device = record.devices.emplace_back();
        from.get("address", device.address);
        from.get("key", device.key);
        from.get("image", device.image);
        from.get("text", device.text);
    });
    if (!is_sound) {
        return fail(ErrorCode::invalid_config, "{} is broken; shut the zone down and start it again", what);
    }
    return record;
}

Result<UniqueFd> make_text_file(const std::string& name, const std::string& text) {
    UniqueFd file(::memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING));
    std::string_view rest = text;
    while (file && !rest.empty()) {
        const auto written = ::write(file.get(), rest.data(), rest.size());
        if (written < 0 && errno != EINTR) {
            return fail(ErrorCode::failed, "cannot write a file in memory for {}: {}", name, errno_text());
        }
        rest.remove_prefix(written > 0 ? static_cast<std::size_t>(written) : 0);
    }
    if (!file ||
        ::fcntl(file.get(), F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) != 0) {
        return fail(ErrorCode::failed, "cannot make a file in memory for {}: {}", name, errno_text());
    }
    return file;
}

Result<std::string> read_text_file(int file) {
    struct stat status = {};
    if (::fstat(file, &status) != 0 || status.st_size < 0 ||
        static_cast<std::size_t>(status.st_size) > longest_record) {
        return fail(ErrorCode::invalid_config,
                    "what the daemon before this one has left of a zone is no file");
    }
    std::string text(static_cast<std::size_t>(status.st_size), '\0');
    std::size_t done = 0;
    while (done < text.size()) {
        const auto count = ::pread(file, text.data() + done, text.size() - done, static_cast<off_t>(done));
        if (count <= 0) {
            return fail(ErrorCode::io_error,
                        "cannot read what the daemon before this one has left of a zone: {}", errno_text());
        }
        done += static_cast<std::size_t>(count);
    }
    return text;
}

} // namespace hvisor::zone
