// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "base/fd_store.hpp"
#include "base/unique_fd.hpp"
#include "hypervisor/hypervisor.hpp"
#include "hypervisor/trap_loop.hpp"
#include "zone/candidates.hpp"
#include "zone/config_store.hpp"
#include "zone/config_text.hpp"
#include "zone/file_table.hpp"
#include "zone/start_control.hpp"
#include "zone/zone_state.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace hvisor::zone {

/// The zones of this machine. All members may be called from any thread;
/// start() and shutdown() block and are called from a control thread, never
/// from TrapLoop or Main.
class ZoneManager {
  public:
    /// `config_dirs`: where start_configured() looks for NAME.json, first match wins.
    /// `device_tree`: where the kernel shows the root zone's device tree, which
    /// says what RAM is reserved for zones; without one nothing is known of it.
    /// `store` is for a process after this one; none: nothing outlives this one.
    ZoneManager(hypervisor::Hypervisor& hypervisor, hypervisor::TrapLoop& trap_loop,
                std::vector<std::filesystem::path> config_dirs,
                std::filesystem::path device_tree = "/proc/device-tree", FdStore* store = nullptr);
    ZoneManager(const ZoneManager&) = delete;
    ZoneManager& operator=(const ZoneManager&) = delete;
    ZoneManager(ZoneManager&&) = delete;
    ZoneManager& operator=(ZoneManager&&) = delete;
    ~ZoneManager();

    /// Go on with the zones that a process before this one has served, as the store has
    /// them; what is wrong with one is logged, and that one runs without its devices.
    /// Before any other call, and before TrapLoop::resume().
    void resume();

    /// Remember the devices of a virtio JSON for the zones in it ("virtio
    /// start"); they are created when the zone starts, and at once for a zone
    /// that runs already without them, started by another tool or an earlier
    /// daemon. Returns the zone ids. Nothing is done when any of it is wrong.
    [[nodiscard]] Result<std::vector<std::uint32_t>> configure_virtio(const ConfigText& config,
                                                                      FileTable files);

    /// Start a zone from a zone JSON and, unless `virtio` is empty, virtio JSON.
    /// A zone JSON of upstream's form without one has the devices that are
    /// remembered for its id; one of the one-file form has its own.
    /// Returns the zone's name. On failure nothing stays behind.
    [[nodiscard]] Result<std::string> start(const ConfigText& zone, const ConfigText& virtio, FileTable files,
                                            const StartControl& control = {});

    /// Start NAME from DIR/NAME.json with its drop-ins, and DIR/NAME.virtio.json, see find_config().
    [[nodiscard]] Result<std::string> start_configured(const std::string& name,
                                                       const StartControl& control = {});

    /// Shut a zone down at once and start it again from what it was started from: its
    /// configuration, read anew, or the texts and open files that start() got.
    /// What is wrong with them is said before; returns its name, which may be
    /// another one then.
    [[nodiscard]] Result<std::string> restart(const std::string& name, const StartControl& control = {});

    /// Keep the configuration in an open file as NAME.json, see define_config();
    /// returns its path. Remove the one that is there, see undefine_config().
    /// Whether the zone runs is all the same, and so is what start() and the like do meanwhile.
    [[nodiscard]] Result<std::string> define(const std::string& name, int file, const StoreOptions& options);
    [[nodiscard]] Result<void> undefine(const std::string& name);

    /// Whether the zones of these files, that are to run together, fit this
    /// machine as it is now, see check_fit(). Opens none of the files that they
    /// name. It does not wait for start() and the like.
    [[nodiscard]] Result<Findings> check(std::span<const ConfigText> files,
                                         const std::filesystem::path& here);

    /// Give a zone that runs one more device, described by the text of an
    /// element of "devices" in a one-file zone, after all checks; its id. It is
    /// there until the zone ends, and its guest finds it when it looks again.
    [[nodiscard]] Result<std::string> attach_device(const std::string& zone, const ConfigText& device,
                                                    FileTable files);
    /// Take a device away from a zone that runs, see ZoneDevices::detach().
    [[nodiscard]] Result<void> detach_device(const std::string& zone, const std::string& device, bool force);
    /// Put an open image, called `path`, which is absolute, into a disk of a
    /// zone that runs; the bytes it has. `resource_busy` when a zone has it.
    [[nodiscard]] Result<std::uint64_t> swap_image(const std::string& zone, const std::string& device,
                                                   const std::string& path, UniqueFd image);

    /// Ask the operating system of a zone to power itself off: true when it has
    /// been asked; false when there is nobody to ask. When it has done it, the
    /// zone is `stopped` and nothing starts it again by itself; or, if it was
    /// asked `to_restart`, `starting`, until somebody calls restart(). What
    /// restart() would find wrong with its files is said before it is asked.
    enum class PowerOff { for_good, to_restart };
    [[nodiscard]] Result<bool> ask_to_power_off(const std::string& name, PowerOff purpose);

    /// Shut a zone down by name, at once.
    [[nodiscard]] Result<void> shutdown(const std::string& name);

    /// Every zone: the hypervisor's list joined with what this daemon knows, and
    /// at the end those that are configured and have not been started.
    [[nodiscard]] std::vector<ZoneState> zones();

    /// The devices of a zone that this daemon serves. `no_such_zone`, and
    /// `no_such_device` when it has none now.
    [[nodiscard]] Result<std::shared_ptr<ZoneDevices>> devices(const std::string& zone) const;

    /// What the bridge has carried.
    [[nodiscard]] hypervisor::TrapCounts trap_counts() const;

    /// Called, from any thread, after a zone appeared, changed or went. It may
    /// look (zones(), devices()) but not start or shut down.
    void on_change(std::function<void()> callback);

    /// Look whether zones vanished or failed by themselves; call it about once a second. It waits for the
    /// back ends of a zone that vanished, so it belongs on the control thread; it does nothing while another
    /// call runs.
    void refresh();

    /// Readable when the files of configured zones may have changed, until
    /// refresh_definitions(); -1 where the kernel cannot tell.
    [[nodiscard]] int definitions_fd() const;

    /// Read the files of configured zones again where they have changed. It may wait for a disk.
    void refresh_definitions();

    /// Read all of them again, whatever tells that they have not changed.
    void reload_definitions();

    struct Impl;

  private:
    std::unique_ptr<Impl> impl_;
};

} // namespace hvisor::zone
