// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/fd_store.hpp"
#include "base/unique_fd.hpp"
#include "hypervisor/hypervisor.hpp"

#include <filesystem>
#include <memory>
#include <string>

namespace hvisor::hypervisor {

/// Why a device that could not be opened, which errno tells, is not there, and what
/// to do. `device_tree` is the root zone's, as its kernel shows it.
[[nodiscard]] Error missing_device(const std::string& path, int error,
                                   const std::filesystem::path& device_tree = "/proc/device-tree");

/// The hypervisor behind the kernel module's /dev/hvisor: our module, or the
/// upstream one through its legacy calls.
class HvisorModule final : public Hypervisor {
  public:
    /// Open the device and become the daemon of this machine: wake-up eventfd
    /// registered, bridge page mapped. `no_hypervisor` when there is no device,
    /// `resource_busy` when another daemon runs.
    /// What `store` has of a process before this one is used, and gets what a process after it
    /// needs: the device's file has the role of the daemon, not the process.
    [[nodiscard]] static Result<std::unique_ptr<Hypervisor>> open(const std::string& path, FdStore& store);

    [[nodiscard]] Result<std::uint64_t> config_magic() override;
    [[nodiscard]] Result<std::vector<ZoneInfo>> list_zones() override;
    [[nodiscard]] Result<void> load(std::uint64_t address, std::span<const std::byte> bytes) override;
    [[nodiscard]] Result<void> clear(std::uint64_t address, std::uint64_t size) override;
    [[nodiscard]] Result<void> start_zone(std::span<const std::byte> config) override;
    [[nodiscard]] Result<void> shutdown_zone(std::uint32_t id) override;
    [[nodiscard]] Result<Mapping> map_ram(std::uint64_t address, std::uint64_t size) override;
    [[nodiscard]] BridgePage& bridge_page() override;
    [[nodiscard]] int wakeup_fd() const override { return wakeup_.get(); }
    void finish_requests() override;

  private:
    [[nodiscard]] static Result<std::unique_ptr<Hypervisor>> attach(const std::string& path, UniqueFd device);
    HvisorModule(std::string path, UniqueFd device, UniqueFd wakeup, Mapping bridge, bool is_upstream);

    std::string path_;
    UniqueFd device_;
    UniqueFd wakeup_;
    Mapping bridge_;
    bool is_upstream_; ///< none of the calls that our module adds
};

} // namespace hvisor::hypervisor
