// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "hypervisor/hypervisor.hpp"

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <type_traits>

namespace hvisor::hypervisor {

class TrapLoop;

/// A hypervisor that need not be there yet, because its kernel module is not
/// loaded. Until attach() has found it every call is refused with the reason;
/// from then on the calls are the real one's. It stays: who has the module's
/// device open keeps the module from being removed.
class LateHypervisor final : public Hypervisor {
  public:
    using Open = std::function<Result<std::unique_ptr<Hypervisor>>()>;

    /// `open` is how it is looked for.
    explicit LateHypervisor(Open open);
    ~LateHypervisor() override;

    /// Look for it unless it is there, and let `trap_loop`, which works with this
    /// object, take the requests of its bridge; before those `resume` is called, for zones
    /// that a process before this one has served. True when its presence has changed.
    /// One thread at a time, not TrapLoop's, and before there are zones.
    bool attach(TrapLoop& trap_loop, const std::function<void()>& resume = [] {});

    /// What there is to know about it. Any thread.
    struct Presence {
        bool is_attached = false;
        std::string reason;      ///< one sentence on why it is not attached, else ""
        std::uint64_t magic = 0; ///< config_magic(), 0 for one that does not tell

        bool operator==(const Presence&) const = default;
    };
    [[nodiscard]] Presence presence() const;

    [[nodiscard]] Result<std::uint64_t> config_magic() override;
    [[nodiscard]] Result<std::vector<ZoneInfo>> list_zones() override;
    [[nodiscard]] Result<void> load(std::uint64_t address, std::span<const std::byte> bytes) override;
    [[nodiscard]] Result<void> clear(std::uint64_t address, std::uint64_t size) override;
    [[nodiscard]] Result<void> start_zone(std::span<const std::byte> config) override;
    [[nodiscard]] Result<void> shutdown_zone(std::uint32_t id) override;
    [[nodiscard]] Result<Mapping> map_ram(std::uint64_t address, std::uint64_t size) override;
    /// Until it is there, a page on which nothing ever comes, and nothing to wake up by: -1.
    [[nodiscard]] BridgePage& bridge_page() override;
    [[nodiscard]] int wakeup_fd() const override;
    void finish_requests() override;

  private:
    template <class Call>
    std::invoke_result_t<Call, Hypervisor&> ask(Call call);

    const Open open_;
    const std::unique_ptr<BridgePage> nowhere_;
    std::unique_ptr<Hypervisor> real_;          ///< written once, before `current_`
    std::atomic<Hypervisor*> current_{nullptr}; ///< null until it is there
    mutable std::mutex lock_;
    Presence presence_; ///< under lock_
};

} // namespace hvisor::hypervisor
