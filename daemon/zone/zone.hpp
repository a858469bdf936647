// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "base/unique_fd.hpp"
#include "hypervisor/hypervisor.hpp"
#include "hypervisor/trap_loop.hpp"
#include "zone/check_machine.hpp"
#include "zone/start_control.hpp"
#include "zone/zone_plan.hpp"
#include "zone/zone_record.hpp"
#include "zone/zone_state.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace hvisor::zone {

/// What a zone is when it has ended: `stopped`, or at once `starting`, with a
/// reason, when another Zone is about to take its place.
struct Afterwards {
    State state = State::stopped;
    std::string reason{};
};

/// A zone that this daemon starts, or gives its devices, until its end. What
/// changes it (start(), adopt(), shutdown(), observe()) is called by one thread
/// at a time and may block; looking at it never waits for that.
class Zone {
  public:
    /// What a zone works with. All of it outlives the zone.
    struct World {
        hypervisor::Hypervisor& hypervisor;
        hypervisor::TrapLoop& trap_loop;
        FdStore& store;
    };
    /// In state starting, with the devices as they are described, absolute paths
    /// in them. `origin` is for a process after this one.
    Zone(ZoneConfig config, std::vector<VirtioDevice> described, ZoneOrigin origin, const World& world);

    [[nodiscard]] std::uint32_t id() const { return config_.zone_id; }
    [[nodiscard]] const std::string& name() const { return config_.name; }

    /// Map the guest's RAM, create the devices, load the images and start. On
    /// failure all of it is undone and the zone is of no more use. inspect()
    /// tells the progress before `control` does.
    [[nodiscard]] Result<void> start(ZonePlan plan, const StartControl& control);

    /// Serve the devices of a zone that somebody else has started. Until then
    /// they read as 0, so its drivers have to look at them again. On failure
    /// nothing stays behind.
    [[nodiscard]] Result<void> adopt(std::vector<DeviceSettings> settings,
                                     const std::vector<MemoryRange>& ranges);

    /// Go on with a zone that a process before this one has left; its devices' settings
    /// have the keys of `record`, which the store has under `record_name`. On failure the zone runs
    /// without its devices, and the record is still there.
    [[nodiscard]] Result<void> resume(const ZoneRecord& record, std::string record_name,
                                      std::vector<DeviceSettings> settings,
                                      const std::vector<MemoryRange>& ranges);

    /// One more device for a zone that runs, which `described` tells of with an
    /// absolute path, and `text` by itself; returns its id.
    [[nodiscard]] Result<std::string> attach(VirtioDevice described, ConfigText text,
                                             DeviceSettings settings);
    /// Take a device away from it, see ZoneDevices::detach().
    [[nodiscard]] Result<void> detach(const std::string& device, bool force);
    /// Put another image into a disk, see ZoneDevices::swap_image(); `path` is absolute.
    [[nodiscard]] Result<std::uint64_t> swap_image(const std::string& device, const std::string& path,
                                                   UniqueFd image);

    /// Take the devices back from a zone that goes on running.
    void abandon();

    /// Ask the guest, see ZoneDevices::ask_to_power_off(): true when the
    /// zone is `stopping` from now on, until observe() finds that it has gone or
    /// somebody calls shutdown(). Of several who ask the first says what it is then.
    [[nodiscard]] bool ask_to_power_off(Afterwards then = {});

    /// Stop the devices, then the zone: its CPUs may be waiting for a register,
    /// so those are answered until it is gone. The history of its consoles stays.
    [[nodiscard]] Result<void> shutdown(Afterwards then = {});

    /// Compare with what the hypervisor says, nullptr when the zone is not in
    /// its list: a guest may power itself off. True when the state changed.
    bool observe(const hypervisor::ZoneInfo* info);

    /// Of a zone that has ended: it is started again after that time, by another
    /// Zone in its place; `why` says why that has to be.
    void await_restart(std::string why, std::chrono::seconds delay);
    /// The same of one that a process before this one has had, and kept as `record_name`.
    void resume_waiting(std::string record_name, std::string why, std::chrono::seconds delay);
    /// Nobody starts it again after all.
    void set_stopped();
    /// It has ended, and a process after this one need not know of it.
    void forget();

    // Any thread.
    [[nodiscard]] State state() const;
    /// How long ago it began to run.
    [[nodiscard]] std::chrono::steady_clock::duration age() const;
    [[nodiscard]] ZoneState inspect() const;
    /// What the zone has for itself; nothing once it has stopped.
    [[nodiscard]] std::optional<ZoneClaims> claims() const;
    /// The hypervisor has it, or is about to: its number is taken.
    [[nodiscard]] bool is_there() const;
    [[nodiscard]] const ZoneConfig& config() const { return config_; }
    [[nodiscard]] std::vector<VirtioDevice> described() const;
    /// Null when the zone has none now.
    [[nodiscard]] std::shared_ptr<ZoneDevices> devices() const;

    /// Let go of all devices, and with them of their disks and memory.
    void release();

  private:
    [[nodiscard]] Result<DeviceState> look_at(const std::string& device) const;
    [[nodiscard]] Result<std::shared_ptr<const guest::GuestMemory>>
    map_memory(const std::vector<MemoryRange>& ranges);
    [[nodiscard]] Result<void> create_devices(std::vector<DeviceSettings> settings,
                                              const std::vector<MemoryRange>& ranges);
    [[nodiscard]] Result<void> load(const ZonePlan& plan, const StartControl& control);
    [[nodiscard]] Result<void> go_on(const StartControl& control) const;
    [[nodiscard]] Result<void> run(const ZonePlan& plan);
    void finish(Afterwards then);
    void set_running(std::chrono::steady_clock::time_point since = std::chrono::steady_clock::now());
    /// Have the store know of the zone as it is now, or not at all.
    void keep_record();
    void keep(const ZoneRecord& record);
    void drop_record();
    /// This process's devices of it are gone, and nobody goes on with them.
    void forget_kept();
    void set_state(State state, std::string reason);

    const ZoneConfig config_;
    hypervisor::Hypervisor& hypervisor_;
    hypervisor::TrapLoop& trap_loop_;
    FdStore& store_;
    const ZoneOrigin origin_;
    std::map<std::uint64_t, ConfigText> attached_; ///< by address: what described devices that came later
    std::string record_name_;                      ///< in the store; "" when it has none
    bool is_forgotten_ = false;                    ///< and so are the files of origin_
    std::atomic<unsigned> progress_ = 0;           ///< percent of the images

    mutable std::mutex lock_; ///< of all below; held for a moment only
    State state_ = State::starting;
    bool is_there_ = true; ///< or about to be, with all that it claims
    std::vector<VirtioDevice> described_;
    std::string reason_;
    /// What asks it to power itself off, as long as it may; nothing when it was not asked.
    std::optional<ZoneDevices::PowerOffRequest> asked_;
    Afterwards then_; ///< of a zone that was asked
    std::chrono::steady_clock::time_point started_;
    std::shared_ptr<ZoneDevices> devices_;
};

} // namespace hvisor::zone
