// SPDX-License-Identifier: Apache-2.0
#include "hypervisor/late_hypervisor.hpp"

#include "hypervisor/trap_loop.hpp"

#include <utility>

namespace hvisor::hypervisor {

LateHypervisor::LateHypervisor(Open open)
    : open_(std::move(open)), nowhere_(std::make_unique<BridgePage>()) {}

LateHypervisor::~LateHypervisor() = default;

bool LateHypervisor::attach(TrapLoop& trap_loop, const std::function<void()>& resume) {
    if (current_.load() != nullptr) {
        return false;
    }
    auto opened = open_();
    Presence now;
    if (opened) {
        real_ = std::move(*opened);
        current_.store(real_.get());
        trap_loop.attach();
        resume();
        trap_loop.resume();
        // Older hypervisors do not tell.
        now = {.is_attached = true, .reason = {}, .magic = real_->config_magic().value_or(0)};
    } else {
        now.reason = std::move(opened.error().message);
    }
    const std::scoped_lock guard(lock_);
    return std::exchange(presence_, now) != now;
}

LateHypervisor::Presence LateHypervisor::presence() const {
    const std::scoped_lock guard(lock_);
    return presence_;
}

template <class Call>
std::invoke_result_t<Call, Hypervisor&> LateHypervisor::ask(Call call) {
    if (auto* real = current_.load()) {
        return call(*real);
    }
    return fail(ErrorCode::no_hypervisor, "there is no hypervisor to work with: {}", presence().reason);
}

Result<std::uint64_t> LateHypervisor::config_magic() {
    return ask([](Hypervisor& real) { return real.config_magic(); });
}

Result<std::vector<ZoneInfo>> LateHypervisor::list_zones() {
    return ask([](Hypervisor& real) { return real.list_zones(); });
}

Result<void> LateHypervisor::load(std::uint64_t address, std::span<const std::byte> bytes) {
    return ask([&](Hypervisor& real) { return real.load(address, bytes); });
}

Result<void> LateHypervisor::clear(std::uint64_t address, std::uint64_t size) {
    return ask([&](Hypervisor& real) { return real.clear(address, size); });
}

Result<void> LateHypervisor::start_zone(std::span<const std::byte> config) {
    return ask([&](Hypervisor& real) { return real.start_zone(config); });
}

Result<void> LateHypervisor::shutdown_zone(std::uint32_t id) {
    return ask([&](Hypervisor& real) { return real.shutdown_zone(id); });
}

Result<Mapping> LateHypervisor::map_ram(std::uint64_t address, std::uint64_t size) {
    return ask([&](Hypervisor& real) { return real.map_ram(address, size); });
}

BridgePage& LateHypervisor::bridge_page() {
    auto* real = current_.load();
    return real != nullptr ? real->bridge_page() : *nowhere_;
}

int LateHypervisor::wakeup_fd() const {
    const auto* real = current_.load();
    return real != nullptr ? real->wakeup_fd() : -1;
}

void LateHypervisor::finish_requests() {
    if (auto* real = current_.load()) {
        real->finish_requests();
    }
}

} // namespace hvisor::hypervisor
