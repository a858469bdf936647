// SPDX-License-Identifier: Apache-2.0
#include "zone/candidates.hpp"

#include <algorithm>
#include <format>
#include <iterator>
#include <utility>

namespace hvisor::zone {
namespace {

class Reader {
  public:
    void read(const ConfigText& text);
    void give_devices();
    Candidates take() { return std::move(read_); }

  private:
    void keep(const ConfigText& text, const Error& error) {
        read_.findings.problems.push_back(error.message);
        read_.unread.push_back(text.name);
    }
    void keep_warnings(const std::vector<std::string>& warnings) {
        std::ranges::copy(warnings, std::back_inserter(read_.findings.warnings));
    }

    Candidates read_;
    std::vector<VirtioFile> virtio_;
};

void Reader::read(const ConfigText& text) {
    auto document = JsonDocument::parse(text);
    if (!document) {
        keep(text, document.error());
        return;
    }
    if (document->root().find("zones") != nullptr) {
        auto file = read_virtio_config(std::move(*document));
        if (!file) {
            keep(text, file.error());
            return;
        }
        keep_warnings(file->warnings);
        virtio_.push_back(std::move(*file));
        return;
    }
    auto zone = read_zone_file(std::move(*document));
    if (!zone) {
        keep(text, zone.error());
        return;
    }
    keep_warnings(zone->warnings);
    VirtioFile own = own_devices(*zone);
    const bool is_whole = zone->form == Form::one_file;
    read_.zones.push_back({.zone = std::move(*zone), .virtio = std::move(own), .has_devices = is_whole});
}

void Reader::give_devices() {
    for (Candidate& candidate : read_.zones) {
        if (candidate.has_devices) {
            continue;
        }
        const auto file = std::ranges::find_if(virtio_, [&candidate](const VirtioFile& one) {
            return one.config.zone(candidate.zone.config.zone_id) != nullptr;
        });
        if (file != virtio_.end()) {
            candidate.virtio = *file;
            candidate.has_devices = true;
        } else {
            read_.findings.left_out.push_back(
                std::format("{}: the devices of zone {}, which are in no file that was given",
                            candidate.zone.document.name(), candidate.zone.config.name));
        }
    }
}

} // namespace

Candidates read_candidates(std::span<const ConfigText> files) {
    Reader reader;
    for (const ConfigText& text : files) {
        reader.read(text);
    }
    reader.give_devices();
    return reader.take();
}

Result<Candidate> read_candidate(const ConfigFiles& files) {
    auto zone = merge_config(files).and_then(
        [](JsonDocument document) { return read_zone_file(std::move(document)); });
    if (!zone) {
        return std::unexpected(std::move(zone).error());
    }
    const bool is_whole = zone->form == Form::one_file;
    VirtioFile own = own_devices(*zone);
    if (is_whole || files.virtio.text.empty()) {
        return Candidate{.zone = std::move(*zone), .virtio = std::move(own), .has_devices = is_whole};
    }
    auto virtio = read_virtio_config(files.virtio);
    if (!virtio) {
        return std::unexpected(std::move(virtio).error());
    }
    return Candidate{.zone = std::move(*zone), .virtio = std::move(*virtio), .has_devices = true};
}

} // namespace hvisor::zone
