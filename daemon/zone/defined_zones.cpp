// SPDX-License-Identifier: Apache-2.0
#include "zone/defined_zones.hpp"

#include "zone/config_files.hpp"
#include "zone/zone_file.hpp"

#include <algorithm>
#include <set>
#include <string_view>
#include <system_error>
#include <utility>

namespace hvisor::zone {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view drop_ins_suffix = ".json.d";

/// NAME of NAME.json, or "" of a file that configures no zone.
std::string configured_name(const fs::path& path) {
    const std::string name = path.stem();
    const bool is_zone = path.extension() == ".json" && !name.ends_with(".virtio") &&
                         !name.starts_with('.') &&
                         // D-Bus takes no other strings than UTF-8, and a terminal not all of those.
                         std::ranges::all_of(name, [](char letter) { return letter > ' ' && letter <= '~'; });
    return is_zone ? name : "";
}

std::vector<fs::directory_entry> entries_of(const fs::path& folder) {
    std::vector<fs::directory_entry> entries;
    std::error_code error;
    for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
        entries.push_back(*entry);
    }
    return entries;
}

} // namespace

DefinedZones::DefinedZones(std::vector<fs::path> directories) : directories_(std::move(directories)) {
    reload();
}

bool DefinedZones::refresh() {
    auto traces = look();
    if (traces == traces_) {
        return false;
    }
    read_all(std::move(traces));
    return true;
}

std::vector<DefinedZones::Trace> DefinedZones::look() const {
    std::vector<Trace> traces;
    for (const fs::path& directory : directories_) {
        trace(directory, traces);
    }
    std::ranges::sort(traces);
    return traces;
}

void DefinedZones::read_all(std::vector<Trace> traces) {
    std::set<std::string> names;
    for (const Trace& trace : traces) {
        // A drop-in alone configures nothing.
        const bool is_drop_in = trace.path.parent_path().native().ends_with(drop_ins_suffix);
        if (const auto name = configured_name(trace.path); !is_drop_in && !name.empty()) {
            names.insert(name);
        }
    }
    zones_.clear();
    for (const std::string& name : names) {
        zones_.push_back(read(name));
    }
    traces_ = std::move(traces);
}

/// The files of a directory and of the drop-ins below it. What cannot be looked at is not there.
void DefinedZones::trace(const fs::path& directory, std::vector<Trace>& traces) {
    std::vector<fs::path> folders{directory};
    for (const fs::directory_entry& entry : entries_of(directory)) {
        if (entry.path().native().ends_with(drop_ins_suffix)) {
            folders.push_back(entry.path());
        }
    }
    for (const fs::path& folder : folders) {
        for (const fs::directory_entry& entry : entries_of(folder)) {
            std::error_code ignored; // a broken link has neither time nor size, and is one
            if (entry.path().extension() == ".json") {
                traces.push_back({.path = entry.path(),
                                  .written = entry.last_write_time(ignored),
                                  .size = entry.file_size(ignored)});
            }
        }
    }
}

DefinedZone DefinedZones::read(const std::string& name) const {
    DefinedZone defined;
    ZoneState& state = defined.state;
    state.name = name;
    state.state = State::defined;
    const auto zone =
        find_config(directories_, name).and_then(merge_config).and_then([](JsonDocument document) {
            return read_zone_file(std::move(document));
        });
    if (!zone) {
        // A line for each problem; hvisorctl config check shows them all.
        state.diagnosis = zone.error().message.substr(0, zone.error().message.find('\n'));
        return defined;
    }
    defined.own_name = zone->config.name;
    state.id = zone->config.zone_id;
    state.cpus = zone->config.cpus;
    std::ranges::sort(state.cpus);
    state.cpus.erase(std::ranges::unique(state.cpus).begin(), state.cpus.end());
    return defined;
}

} // namespace hvisor::zone
