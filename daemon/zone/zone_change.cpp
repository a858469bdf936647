// SPDX-License-Identifier: Apache-2.0
#include "base/log.hpp"
#include "zone/file_table.hpp"
#include "zone/zone.hpp"

#include <algorithm>
#include <format>
#include <utility>

// The devices of a zone change while it runs.
namespace hvisor::zone {

Result<DeviceState> Zone::look_at(const std::string& device) const {
    const auto devices = this->devices();
    const auto states = devices ? devices->inspect() : std::vector<DeviceState>{};
    const auto found = std::ranges::find(states, device, &DeviceState::id);
    if (found == states.end()) {
        return fail(ErrorCode::no_such_device, "zone {} has no device {}", name(), device);
    }
    return *found;
}

Result<std::string> Zone::attach(VirtioDevice described, ConfigText text, DeviceSettings settings) {
    auto attached = devices()->attach(std::move(settings));
    if (attached) {
        log::info({.zone = name(), .device = *attached}, "attached");
        attached_.insert_or_assign(described.address, std::move(text));
        {
            const std::scoped_lock guard(lock_);
            described_.push_back(std::move(described));
        }
        keep_record();
    }
    return attached;
}

Result<void> Zone::detach(const std::string& device, bool force) {
    const auto state = look_at(device);
    if (!state) {
        return std::unexpected(state.error());
    }
    auto detached = devices()->detach(device, force);
    if (detached) {
        log::info({.zone = name(), .device = device}, "detached");
        attached_.erase(state->address);
        {
            const std::scoped_lock guard(lock_);
            std::erase_if(described_, [&](const auto& each) { return each.address == state->address; });
        }
        keep_record();
    }
    return detached;
}

Result<std::uint64_t> Zone::swap_image(const std::string& device, const std::string& path, UniqueFd image) {
    const auto state = look_at(device);
    if (!state) {
        return std::unexpected(state.error());
    }
    const bool is_read_only = state->disk && state->disk->read_only;
    const auto use = is_read_only ? FileUse::read_only_disk : FileUse::disk;
    if (auto usable = check_file(image.get(), path, use); !usable) {
        return std::unexpected(std::move(usable).error());
    }
    auto size = devices()->swap_image(device, path, std::move(image));
    if (size) {
        log::info({.zone = name(), .device = device}, "has another image: {}", path);
        {
            const std::scoped_lock guard(lock_);
            const auto described = std::ranges::find(described_, state->address, &VirtioDevice::address);
            if (described != described_.end()) {
                described->block.image = path;
            }
        }
        keep_record();
    }
    return size;
}

} // namespace hvisor::zone
