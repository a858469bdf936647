// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/mapping.hpp"
#include "base/packet.hpp"
#include "base/unique_fd.hpp"
#include "hypervisor/hypervisor.hpp"
#include "hypervisor/machine_link.hpp"
#include "hypervisor/simulated_ram.hpp"

#include <cstddef>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

namespace hvisor::hypervisor {

/// A simulated hypervisor that another process has, with its zones: one that goes on when
/// this process ends. For tests and measurements of what then happens, on any machine.
class RemoteMachine final : public Hypervisor {
  public:
    /// The machine at this socket (SOCK_SEQPACKET).
    [[nodiscard]] static Result<std::unique_ptr<Hypervisor>> connect(const std::string& path);

    [[nodiscard]] Result<std::uint64_t> config_magic() override { return machine_.magic; }
    [[nodiscard]] Result<std::vector<ZoneInfo>> list_zones() override;
    [[nodiscard]] Result<void> load(std::uint64_t address, std::span<const std::byte> bytes) override {
        return ram_.load(address, bytes);
    }
    [[nodiscard]] Result<void> clear(std::uint64_t address, std::uint64_t size) override {
        return ram_.clear(address, size);
    }
    [[nodiscard]] Result<void> start_zone(std::span<const std::byte> config) override;
    [[nodiscard]] Result<void> shutdown_zone(std::uint32_t id) override;
    [[nodiscard]] Result<Mapping> map_ram(std::uint64_t address, std::uint64_t size) override {
        return ram_.map(address, size);
    }
    [[nodiscard]] BridgePage& bridge_page() override { return page_; }
    [[nodiscard]] int wakeup_fd() const override { return wakeup_.get(); }
    void finish_requests() override;

  private:
    struct Files {
        Mapping page;
        UniqueFd ram;
        UniqueFd wakeup;
        UniqueFd results;
    };
    RemoteMachine(UniqueFd socket, const machine_link::Machine& machine, Files files);

    /// What is behind the answer; it is valid until the next call.
    [[nodiscard]] Result<std::span<const std::byte>> call(const machine_link::Call& call,
                                                          std::span<const std::byte> more = {});

    const machine_link::Machine machine_;
    const Mapping page_memory_;
    BridgePage& page_; ///< in it
    const SimulatedRam ram_;
    const UniqueFd wakeup_;
    const UniqueFd results_;
    std::mutex lock_; ///< a call and its answer
    const UniqueFd socket_;
    std::vector<std::byte> room_;
};

} // namespace hvisor::hypervisor
