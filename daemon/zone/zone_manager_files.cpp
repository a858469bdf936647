// SPDX-License-Identifier: Apache-2.0
#include "zone/check_fit.hpp"
#include "zone/config_files.hpp"
#include "zone/zone_manager_impl.hpp"

#include <algorithm>
#include <utility>

namespace hvisor::zone {

bool ZoneManager::Impl::is_defined(const std::string& name) {
    const std::scoped_lock guard(lock);
    return std::ranges::any_of(defined, [&](const DefinedZone& zone) { return zone.state.name == name; });
}

/// Read the files of configured zones where they have changed; whether they say anything else now.
bool ZoneManager::Impl::refresh_defined() {
    const std::scoped_lock files(reading);
    if (!definitions.refresh()) {
        return false;
    }
    auto now = definitions.zones();
    const std::scoped_lock guard(lock);
    defined = std::move(now);
    return true;
}

/// What can be compared with other zones, from their files as they are now.
Result<Surroundings> ZoneManager::Impl::surroundings() {
    auto list = hypervisor.list_zones();
    if (!list) {
        return std::unexpected(std::move(list).error());
    }
    Surroundings around{.machine = machine(std::move(*list)), .magic = hypervisor.config_magic()};
    std::vector<DefinedZone> now;
    {
        const std::scoped_lock guard(lock);
        now = defined;
    }
    for (const DefinedZone& zone : now) {
        auto candidate = find_config(config_dirs, zone.state.name).and_then(read_candidate);
        if (candidate) {
            around.configured.push_back(std::move(*candidate));
        } else {
            around.unreadable.push_back(zone.state.name);
        }
    }
    return around;
}

Result<std::string> ZoneManager::define(const std::string& name, int file, const StoreOptions& options) {
    const std::scoped_lock guard(impl_->storing);
    auto path = read_config_file(file).and_then(
        [&](const std::string& text) { return define_config(impl_->config_dirs, name, text, options); });
    if (path && impl_->refresh_defined()) {
        impl_->notify();
    }
    return std::move(path).transform([](const auto& made) { return made.string(); });
}

Result<void> ZoneManager::undefine(const std::string& name) {
    const std::scoped_lock guard(impl_->storing);
    auto removed = undefine_config(impl_->config_dirs, name);
    if (removed && impl_->refresh_defined()) {
        impl_->notify();
    }
    return removed;
}

Result<Findings> ZoneManager::check(std::span<const ConfigText> files, const std::filesystem::path& here) {
    return check_amount(files)
        .and_then([&] { return impl_->surroundings(); })
        .transform(
            [&](Surroundings around) { return check_fit(read_candidates(files), std::move(around), here); });
}

int ZoneManager::definitions_fd() const {
    return impl_->watch.fd();
}

void ZoneManager::refresh_definitions() {
    bool may_differ = false;
    {
        const std::scoped_lock guard(impl_->reading);
        may_differ = impl_->watch.renew();
    }
    if (may_differ && impl_->refresh_defined()) {
        impl_->notify();
    }
}

void ZoneManager::reload_definitions() {
    {
        const std::scoped_lock guard(impl_->reading);
        impl_->watch.renew();
        impl_->definitions.reload();
        auto now = impl_->definitions.zones();
        const std::scoped_lock state(impl_->lock);
        impl_->defined = std::move(now);
    }
    impl_->notify();
}

} // namespace hvisor::zone
