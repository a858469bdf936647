// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "service/bus_values.hpp"
#include "service/reply.hpp"

#include <sdbus-c++/sdbus-c++.h>

#include <functional>
#include <string>
#include <string_view>
#include <utility>

namespace hvisor::service {

/// What a caller wants to do. Each is an action of polkit, org.syswonder.hvisor1.NAME.
enum class Action {
    define_zones,   ///< "define-zones": decide which files the daemon opens as root
    manage_zones,   ///< "manage-zones": hand over configurations with open files
    start_zone,     ///< "start-zone": start or restart what is configured
    stop_zone,      ///< "stop-zone"
    open_console,   ///< "open-console"
    manage_devices, ///< "manage-devices": change devices of a running zone
};

/// The last part of the action's name.
[[nodiscard]] std::string_view to_string(Action action);

/// Decides who may change something. Main loop only.
class Authority {
  public:
    using Verdict = std::move_only_function<void(Result<void>)>;

    Authority() = default;
    Authority(const Authority&) = delete;
    Authority& operator=(const Authority&) = delete;
    Authority(Authority&&) = delete;
    Authority& operator=(Authority&&) = delete;
    virtual ~Authority() = default;

    /// Whether the sender of the call that is being handled may do that to
    /// `zone`, "" when it is about none or its name is not known yet. `verdict`
    /// runs on the main loop, at once or later: `not_permitted` is a sentence
    /// for the caller. What it uses must live as long as the connection does.
    virtual void ask(Action action, const std::string& zone, Verdict verdict) = 0;
};

/// For a connection on which only root and the group hvisor may be.
class PeerAuthority final : public Authority {
  public:
    explicit PeerAuthority(bool is_root) : is_root_(is_root) {}

    void ask(Action action, const std::string& /*zone*/, Verdict verdict) override {
        if (action == Action::define_zones && !is_root_) {
            verdict(
                fail(ErrorCode::not_permitted, "not permitted: only root may define zones by the socket"));
            return;
        }
        verdict({});
    }

  private:
    bool is_root_;
};

/// Go on with `then` once the caller is known to be allowed. It gets the reply
/// by reference and may throw an sdbus::Error, which is the answer then, as
/// "not permitted" is: so it moves the reply away only when nothing throws any
/// more.
template <class... Values, class Then>
void authorise(Authority& authority, Action action, const std::string& zone, Reply<Values...>&& reply,
               Then then) {
    authority.ask(action, zone,
                  [reply = std::move(reply), then = std::move(then)](Result<void> verdict) mutable {
                      const auto refuse = [&](const sdbus::Error& error) {
                          announce([&] { reply.returnError(error); });
                      };
                      if (!verdict) {
                          refuse(to_bus_error(verdict.error()));
                          return;
                      }
                      try {
                          then(reply);
                      } catch (const sdbus::Error& error) {
                          refuse(error);
                      }
                  });
}

} // namespace hvisor::service
