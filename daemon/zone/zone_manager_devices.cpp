// SPDX-License-Identifier: Apache-2.0
#include "zone/check_zone.hpp"
#include "zone/read_virtio_device.hpp"
#include "zone/zone_manager_impl.hpp"

#include <algorithm>
#include <filesystem>
#include <format>
#include <span>
#include <utility>

namespace hvisor::zone {
namespace {

/// As read_virtio_devices() has it for those that stand in one file.
void check_is_only_one(const std::vector<VirtioDevice>& present, const VirtioDevice& device,
                       Problems& problems) {
    const bool is_single = device.type == DeviceType::gpu || device.type == DeviceType::vsock;
    if (is_single && std::ranges::contains(present, device.type, &VirtioDevice::type)) {
        problems.add(device.pointer + "/type",
                     "the zone has a device of this type already; expected at most one a zone",
                     ErrorCode::resource_busy);
    }
}

} // namespace

/// A zone whose devices can be changed; under `control`.
Result<std::shared_ptr<Zone>> ZoneManager::Impl::running(const std::string& name) {
    const auto now = zones_now();
    const auto found = now.find(name);
    if (found == now.end() && !is_defined(name)) {
        return fail(ErrorCode::no_such_zone, "this daemon has no zone called {}", name);
    }
    if (found == now.end() || found->second->state() != State::running) {
        return fail(ErrorCode::wrong_state,
                    "zone {} does not run; what its devices are then is in its configuration", name);
    }
    return found->second;
}

/// What the device wants and another one has, of whichever zone.
void ZoneManager::Impl::check_others(const DeviceFile& file, Problems& problems) {
    for (const auto& [name, zone] : zones_now()) {
        if (const auto claims = zone->claims()) {
            check_device_claims(std::span(&file.device, 1), folder_of(file.document), *claims, problems);
        }
    }
}

Result<std::string> ZoneManager::attach_device(const std::string& zone, const ConfigText& device,
                                               FileTable files) {
    const std::scoped_lock guard(impl_->control);
    const auto target = impl_->running(zone);
    if (!target) {
        return std::unexpected(target.error());
    }
    auto file = read_virtio_device(device);
    if (!file) {
        return std::unexpected(std::move(file).error());
    }
    Problems problems(file->document, Form::one_file);
    VirtioDevice described = file->device;
    described.block.image = absolute_path(described.block.image, folder_of(file->document));
    auto all = (*target)->described();
    const auto present = (*target)->inspect().devices;
    for (VirtioDevice& other : all) {
        // It stands in another file, or in none any more: its id names it.
        const auto state = std::ranges::find(present, other.address, &DeviceState::address);
        other.pointer = state == present.end() ? "another device" : state->id;
    }
    check_is_only_one(all, described, problems);
    all.push_back(described);
    check_devices((*target)->config(), all, problems);
    impl_->check_others(*file, problems);
    if (auto fits = problems.result(); !fits) {
        return std::unexpected(std::move(fits).error());
    }
    auto settings = open_device(files, file->document, file->device, problems);
    if (auto opened = problems.result(); !opened) {
        return std::unexpected(std::move(opened).error());
    }
    auto attached = (*target)->attach(std::move(described), device, std::move(settings));
    impl_->notify();
    return attached;
}

Result<void> ZoneManager::detach_device(const std::string& zone, const std::string& device, bool force) {
    const std::scoped_lock guard(impl_->control);
    return impl_->running(zone).and_then([&](const auto& target) {
        auto detached = target->detach(device, force);
        impl_->notify();
        return detached;
    });
}

Result<std::uint64_t> ZoneManager::swap_image(const std::string& zone, const std::string& device,
                                              const std::string& path, UniqueFd image) {
    if (!std::filesystem::path(path).is_absolute()) {
        return fail(ErrorCode::invalid_config, "disk image {}: this is no absolute path", path);
    }
    const std::scoped_lock guard(impl_->control);
    return impl_->running(zone).and_then([&](const auto& target) {
        auto size = target->swap_image(device, path, std::move(image));
        impl_->notify();
        return size;
    });
}

} // namespace hvisor::zone
