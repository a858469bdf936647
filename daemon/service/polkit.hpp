// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "service/authority.hpp"

#include <sdbus-c++/sdbus-c++.h>
#include <systemd/sd-bus.h>

#include <memory>
#include <optional>
#include <string>
#include <sys/types.h>

namespace hvisor::service {

/// Who may change something on a message bus: root, and whom polkit lets; where
/// there is no polkit, root and the members of the group hvisor.
class Polkit final : public Authority {
  public:
    /// `bus` is what `connection` is made of. Both outlive this object.
    Polkit(sd_bus& bus, sdbus::IConnection& connection);

    /// Asks polkit with the zone as the detail "zone". It may ask a person, when
    /// the caller has allowed that in its message.
    void ask(Action action, const std::string& zone, Verdict verdict) override;

  private:
    sd_bus& bus_;
    const std::optional<gid_t> group_;
    std::unique_ptr<sdbus::IProxy> polkit_;
    bool has_told_ = false; ///< that polkit is not there
};

} // namespace hvisor::service
