// SPDX-License-Identifier: Apache-2.0
#include "devices/gpu/journal_digest.hpp"

#include <algorithm>
#include <cstring>

namespace hvisor::devices::gpu {
namespace {

template <class Body>
std::optional<Body> front_of(std::span<const std::byte> bytes) {
    if (bytes.size() < sizeof(Body)) {
        return std::nullopt;
    }
    Body body;
    std::memcpy(&body, bytes.data(), sizeof body);
    return body;
}

} // namespace

bool JournalDigest::take(Command type, std::span<const std::byte> body, std::size_t place) {
    switch (type) {
    case Command::resource_create_2d: {
        const auto command = front_of<ResourceCreate2d>(body);
        return command && create(command->resource_id, false, place);
    }
    case Command::resource_create_blob: {
        const auto command = front_of<ResourceCreateBlob>(body);
        return command && create(command->resource_id, true, place);
    }
    case Command::set_scanout: {
        const auto command = front_of<SetScanout>(body);
        return command && show(command->scanout_id, command->resource_id, place);
    }
    case Command::set_scanout_blob: {
        const auto command = front_of<SetScanoutBlob>(body);
        return command && show(command->scanout_id, command->resource_id, place);
    }
    default: {
        // Each begins with the resource that it is about.
        const auto command = front_of<ResourceOnly>(body);
        return command && take_of_resource(type, command->resource_id, place);
    }
    }
}

bool JournalDigest::take_of_resource(Command type, std::uint32_t id, std::size_t place) {
    auto* kept = find(id);
    if (kept == nullptr) {
        return false;
    }
    switch (type) {
    case Command::resource_attach_backing:
        kept->attach = place;
        return true;
    case Command::resource_detach_backing:
        kept->attach.reset();
        if (kept->is_blob) {
            kept->detach = place;
            hide(id);
        }
        return true;
    case Command::resource_assign_uuid:
        kept->uuid = place;
        return true;
    case Command::resource_unref:
        resources_.erase(id);
        hide(id);
        return true;
    default:
        return false;
    }
}

bool JournalDigest::create(std::uint32_t id, bool is_blob, std::size_t place) {
    return resources_
        .try_emplace(id, Kept{.create = place, .is_blob = is_blob, .detach = {}, .attach = {}, .uuid = {}})
        .second;
}

bool JournalDigest::show(std::uint32_t scanout, std::uint32_t resource, std::size_t place) {
    if (scanout >= shown_.size() || (resource != 0 && find(resource) == nullptr)) {
        return false;
    }
    shown_.at(scanout) =
        resource != 0 ? std::optional(Shown{.resource = resource, .place = place}) : std::nullopt;
    return true;
}

JournalDigest::Kept* JournalDigest::find(std::uint32_t id) {
    const auto found = resources_.find(id);
    return found != resources_.end() ? &found->second : nullptr;
}

void JournalDigest::hide(std::uint32_t resource) {
    for (auto& shown : shown_) {
        if (shown && shown->resource == resource) {
            shown.reset();
        }
    }
}

std::vector<std::size_t> JournalDigest::places() const {
    std::vector<std::size_t> places;
    for (const auto& [id, kept] : resources_) {
        places.push_back(kept.create);
        for (const auto& further : {kept.detach, kept.attach, kept.uuid}) {
            if (further) {
                places.push_back(*further);
            }
        }
    }
    std::ranges::sort(places);
    for (const auto& shown : shown_) {
        if (shown) {
            places.push_back(shown->place);
        }
    }
    return places;
}

} // namespace hvisor::devices::gpu
