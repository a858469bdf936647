// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/unique_fd.hpp"
#include "devices/net/backend.hpp"
#include "devices/net/link_monitor.hpp"
#include "devices/net/route_socket.hpp"

#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hvisor::devices::net {

struct TapSettings {
    std::string name;
    std::string bridge;      ///< to make it a port of; "" leaves that as it is
    std::uint16_t mtu = 0;   ///< 0 leaves it as it is
    std::uint16_t pairs = 1; ///< of queues
    Mac guest_mac{};
};

/// What of TapSettings could not be done; `key` as the configuration file has it.
struct TapFault {
    std::string_view key;
    Error error;
};

/// A tap. It is made if there is none of that name, and then goes with this
/// object; one that was there before stays.
class TapBackend final : public Backend {
  public:
    /// `kept`: the tap as a process before this one has left it open, a file a pair; else it is
    /// opened. Waits for the kernel: on the control thread.
    [[nodiscard]] static std::expected<std::unique_ptr<TapBackend>, TapFault>
    open(const TapSettings& settings, std::vector<UniqueFd> kept = {});

    [[nodiscard]] const std::string& name() const override { return name_; }
    [[nodiscard]] std::uint16_t pairs() const override { return static_cast<std::uint16_t>(queues_.size()); }
    [[nodiscard]] std::uint16_t mtu() const override { return mtu_; }
    [[nodiscard]] Offloads capabilities() const override { return capabilities_; }
    [[nodiscard]] int fd(std::size_t pair) const override { return queues_.at(pair).get(); }
    [[nodiscard]] Result<void> configure(const Offloads& guest, std::uint16_t pairs) override;
    [[nodiscard]] bool is_link_up() const override { return monitor_.is_up(); }
    [[nodiscard]] int link_fd() const override { return monitor_.fd(); }
    void update_link() override { monitor_.update(); }

  private:
    TapBackend(std::string name, std::vector<UniqueFd> queues, std::uint16_t mtu, Offloads capabilities,
               LinkMonitor monitor)
        : name_(std::move(name)),
          queues_(std::move(queues)),
          mtu_(mtu),
          capabilities_(capabilities),
          monitor_(std::move(monitor)),
          attached_(pairs()) {}

    std::string name_;
    std::vector<UniqueFd> queues_; ///< one a pair
    std::uint16_t mtu_;
    Offloads capabilities_;
    LinkMonitor monitor_;
    std::uint16_t attached_; ///< queues that the kernel spreads frames over
};

} // namespace hvisor::devices::net
