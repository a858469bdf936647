// SPDX-License-Identifier: Apache-2.0
#include "command.hpp"
#include "listener.hpp"

#include "base/error_table.hpp"

#include <CLI/CLI.hpp>
#include <sdbus-c++/sdbus-c++.h>
#include <systemd/sd-daemon.h>

#include <algorithm>
#include <chrono>
#include <format>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hvisor::cli {
namespace {

const sdbus::InterfaceName manager_interface{ManagerProxy::INTERFACE_NAME};

/// As long as the service manager lets a unit start, loading its images may take.
constexpr std::chrono::minutes call_timeout{10};

using ZoneRows = std::vector<Dictionary>;

/// Starts a zone and stays as long as it is there, so that a service manager
/// has a process to watch. What it knows of the zone is what the daemon tells;
/// a daemon that goes comes back, and the zone does not care.
class Holder {
  public:
    Holder(Client& client, std::string zone) : client_(client), zone_(std::move(zone)) {}

    Outcome<void> run() {
        listener_.on_terminate([this] { stop(); });
        try {
            manager_ = sdbus::createProxy(client_.connection(), service_name, manager_path);
        } catch (const sdbus::Error& error) {
            return fail(error);
        }
        // Whatever the daemon tells may be of this zone.
        return listener_.run(client_.connection(), manager_path,
                             {.signal = [this](sdbus::Message&) { look(); },
                              .attended = [this](bool is_there) { daemon_changed(is_there); },
                              .disconnected = [this] { disconnected(); }},
                             [this] { look(); });
    }

  private:
    enum class Phase {
        looking,  ///< whether the zone runs already
        starting, ///< the daemon has been asked to
        holding,
        stopping,
        over,
    };

    void daemon_changed(bool is_there) {
        if (is_there) {
            look();
        } else if (phase_ == Phase::holding) {
            say("hvisord has gone; the zone runs without its devices until it is back");
        }
    }

    /// By the bus, or by a daemon that was connected directly: neither comes back.
    void disconnected() {
        finish(fail(exit_unreachable,
                    std::format("the connection to hvisord has ended; zone {} goes on", zone_)));
    }

    /// Ask for the zone's state. What comes while a question is open asks once more.
    void look() {
        if (phase_ != Phase::looking && phase_ != Phase::holding) {
            return;
        }
        if (std::exchange(is_asking_, true)) {
            asks_again_ = true;
            return;
        }
        manager_->callMethodAsync("ListZones")
            .onInterface(manager_interface)
            .uponReplyInvoke([this](std::optional<sdbus::Error> error, const ZoneRows& zones) {
                is_asking_ = false;
                if (std::exchange(asks_again_, false)) {
                    look();
                } else if (!error) {
                    judge(zones);
                } else if (stop_wanted_ || (phase_ == Phase::looking && !has_gone_)) {
                    finish(fail(*error));
                }
                // Else the daemon has gone since, and tells when it is back.
            });
    }

    void judge(const ZoneRows& zones) {
        const auto row = std::ranges::find_if(zones, [this](const Dictionary& zone) {
            return path_.empty() ? value_of<std::string>(zone, "Name") == zone_
                                 : value_of<sdbus::ObjectPath>(zone, "Path") == path_;
        });
        if (row != zones.end()) {
            name_ = value_of<std::string>(*row, "Name");
        }
        const auto state = row == zones.end() ? std::string("stopped") : value_of<std::string>(*row, "State");
        const auto reason = row == zones.end() ? std::string() : value_of<std::string>(*row, "Reason");
        if (phase_ == Phase::looking) {
            begin(state);
        } else if (phase_ == Phase::holding && state == "failed") {
            finish(fail(1, std::format("zone {} has failed: {}", zone_, reason)));
        } else if (phase_ == Phase::holding && (state == "stopped" || state == "defined")) {
            say("the zone has ended");
            finish({});
        } else if (phase_ == Phase::holding && stop_wanted_) {
            shut_down();
        } else if (phase_ == Phase::holding) {
            say(reason.empty() ? state : std::format("{}: {}", state, reason));
        }
    }

    void begin(std::string_view state) {
        if (state == "running" || state == "starting") {
            hold();
            return;
        }
        if (stop_wanted_) {
            finish({});
            return;
        }
        phase_ = Phase::starting;
        if (state == "failed") {
            // It still has its CPUs and memory.
            call("ShutdownZone", [this](const std::optional<sdbus::Error>&) { start(); });
            return;
        }
        start();
    }

    void start() {
        name_.clear(); // its file may give it another one
        say("starting");
        manager_->callMethodAsync("StartZone")
            .onInterface(manager_interface)
            .withTimeout(call_timeout)
            .withArguments(zone_, Dictionary{})
            .uponReplyInvoke([this](std::optional<sdbus::Error> error, const Dictionary& results) {
                if (!error) {
                    path_ = value_of<sdbus::ObjectPath>(results, "Zone");
                    hold();
                } else if (auto failure = fail(*error); failure.error().exit_status == exit_unreachable) {
                    // What has become of the zone is seen when there is a daemon again.
                    has_gone_ = true;
                    phase_ = Phase::looking;
                    look();
                } else {
                    finish(std::move(failure));
                }
            });
    }

    void hold() {
        phase_ = Phase::holding;
        sd_notify(0, "READY=1\nSTATUS=running");
        look();
    }

    /// A signal: the zone ends with this process.
    void stop() {
        stop_wanted_ = true;
        if (phase_ == Phase::looking && !has_gone_) {
            finish({});
        } else if (phase_ == Phase::looking) {
            look();
        } else if (phase_ == Phase::holding && !name_.empty()) {
            shut_down();
        }
        // What is starting is shut down when it has started and its name is known.
    }

    void shut_down() {
        phase_ = Phase::stopping;
        sd_notify(0, "STOPPING=1\nSTATUS=shutting down");
        call("ShutdownZone", [this](const std::optional<sdbus::Error>& error) {
            const auto* row = error ? error_row(std::string_view(error->getName())) : nullptr;
            // One that has ended a moment before is as it should be.
            const bool is_gone = row != nullptr && (row->code == ErrorCode::no_such_zone ||
                                                    row->code == ErrorCode::wrong_state);
            finish(error && !is_gone ? Outcome<void>(fail(*error)) : Outcome<void>());
        });
    }

    template <class Reply>
    void call(const char* method, Reply reply) {
        manager_->callMethodAsync(method)
            .onInterface(manager_interface)
            .withTimeout(call_timeout)
            .withArguments(name_, Dictionary{})
            // NOLINTNEXTLINE(performance-unnecessary-value-param): sdbus-c++ wants it by value
            .uponReplyInvoke([reply = std::move(reply)](std::optional<sdbus::Error> error,
                                                        const Dictionary&) { reply(error); });
    }

    static void say(std::string_view status) { sd_notify(0, std::format("STATUS={}", status).c_str()); }

    void finish(Outcome<void> outcome) {
        phase_ = Phase::over;
        listener_.finish(std::move(outcome));
    }

    Client& client_;
    std::string zone_; ///< the name of its file
    std::string name_; ///< what it calls itself, which may be another, when that is known
    Listener listener_;
    std::unique_ptr<sdbus::IProxy> manager_;
    sdbus::ObjectPath path_; ///< of what has been started
    Phase phase_ = Phase::looking;
    bool is_asking_ = false;
    bool asks_again_ = false;
    bool stop_wanted_ = false;
    bool has_gone_ = false; ///< the daemon, while it was to start the zone
};

} // namespace

void add_zone_hold(CLI::App& zone, Command& command) {
    auto name = std::make_shared<std::string>();
    auto* verb = zone.add_subcommand(
        "hold", "Start a configured zone and stay as long as it is there; for hvisor-zone@.service");
    verb->add_option("zone", *name, "Name of a configured zone")->type_name("NAME")->required();
    verb->callback(
        [&command, name] { command = [name](Client& client) { return Holder(client, *name).run(); }; });
}

} // namespace hvisor::cli
