// SPDX-License-Identifier: Apache-2.0
#include "bus_client.hpp"
#include "daemon.hpp"

#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <csignal>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace hvisor::test {
namespace {

/// A daemon with one zone, guest1, of which the test says what it does.
class ScriptedDaemon {
  public:
    /// `state` is the zone's; "" for a daemon without zones, which never answers who wants one started.
    explicit ScriptedDaemon(std::string state) : state_(std::move(state)) {
        object_
            ->addVTable(sdbus::registerMethod("ListZones").implementedAs([this] { return zones(); }),
                        sdbus::registerMethod("StartZone")
                            .implementedAs([this](sdbus::Result<Dictionary>&& reply, const std::string&,
                                                  const Dictionary&) {
                                reply_ = std::move(reply);
                                is_asked_ = true;
                            }),
                        sdbus::registerMethod("ShutdownZone")
                            .implementedAs([this](const std::string&, const Dictionary&) {
                                const std::lock_guard guard(lock_);
                                state_ = "stopped";
                                return Dictionary{};
                            }),
                        sdbus::registerSignal("Told"))
            .forInterface("org.syswonder.hvisor1.Manager");
        connection_->enterEventLoopAsync();
    }
    ScriptedDaemon(const ScriptedDaemon&) = delete;
    ScriptedDaemon& operator=(const ScriptedDaemon&) = delete;
    ScriptedDaemon(ScriptedDaemon&&) = delete;
    ScriptedDaemon& operator=(ScriptedDaemon&&) = delete;
    ~ScriptedDaemon() { connection_->leaveEventLoop(); }

    [[nodiscard]] bool is_asked() const { return is_asked_; }
    /// How often somebody has looked at the zones.
    [[nodiscard]] int looks() const { return looks_; }
    [[nodiscard]] std::string state() {
        const std::lock_guard guard(lock_);
        return state_;
    }
    /// The zone changes, and a signal says that something has.
    void change(const std::string& state) {
        {
            const std::lock_guard guard(lock_);
            state_ = state;
        }
        object_->emitSignal("Told").onInterface("org.syswonder.hvisor1.Manager");
    }

  private:
    std::vector<Dictionary> zones() {
        ++looks_;
        const std::lock_guard guard(lock_);
        if (state_.empty()) {
            return {};
        }
        return {{{"Name", sdbus::Variant("guest1")},
                 {"State", sdbus::Variant(state_)},
                 {"Reason", sdbus::Variant(state_ == "failed" ? "the hypervisor says so" : "")},
                 {"Path", sdbus::Variant(guest_path)}}};
    }

    std::mutex lock_;
    std::string state_; ///< under lock_
    std::atomic<bool> is_asked_{false};
    std::atomic<int> looks_{0};
    std::unique_ptr<sdbus::IConnection> connection_ =
        sdbus::createSessionBusConnection(sdbus::ServiceName("org.syswonder.hvisor1"));
    std::unique_ptr<sdbus::IObject> object_ =
        sdbus::createObject(*connection_, sdbus::ObjectPath("/org/syswonder/hvisor1"));
    sdbus::Result<Dictionary> reply_; ///< it refers to the connection
};

/// A daemon with a configured zone, and `hvisorctl zone hold` on it.
class Held {
  public:
    explicit Held(std::string zone = "guest1") : zone_(std::move(zone)) { start_daemon(); }

    [[nodiscard]] Daemon& daemon() { return *daemon_; }

    void hold() { hold(zone_); }
    void hold(const std::string& zone) {
        holder_ = std::make_unique<Process>(
            std::vector<std::string>{program("HVISORCTL"), "--bus=session", "zone", "hold", zone},
            files_.path("hold.out"), files_.path("hold.err"));
    }
    [[nodiscard]] Process& holder() { return *holder_; }
    [[nodiscard]] std::string errors() const { return read_file(files_.path("hold.err")); }

    [[nodiscard]] bool comes_to(const std::string& state) {
        return eventually([&] { return daemon_->ctl({"zone", "list"}).output.contains(state); });
    }
    void stop_daemon() { daemon_.reset(); }
    void start_daemon() { daemon_ = std::make_unique<Daemon>(std::vector{zone_}); }

  private:
    std::string zone_;
    ZoneFiles files_;
    std::unique_ptr<Daemon> daemon_;
    std::unique_ptr<Process> holder_;
};

TEST_CASE("who holds a zone starts it, and shuts it down when it is ended", "[hold]") {
    Held held;
    held.hold();
    REQUIRE(held.comes_to("running  2-3"));
    held.holder().signal(SIGTERM);
    CHECK(held.holder().wait() == 0);
    CHECK(held.errors().empty());
    CHECK_FALSE(held.daemon().ctl({"zone", "list"}).output.contains("running  2-3"));
}

TEST_CASE("who holds a zone of another name than its file's shuts it down too", "[hold]") {
    Held held("camera");
    held.hold();
    REQUIRE(held.comes_to("running  2-3"));
    held.holder().signal(SIGTERM);
    CHECK(held.holder().wait() == 0);
    CHECK_FALSE(held.daemon().ctl({"zone", "list"}).output.contains("running  2-3"));
}

TEST_CASE("who holds a zone ends when somebody else shuts it down", "[hold]") {
    Held held;
    held.hold();
    REQUIRE(held.comes_to("running  2-3"));
    CHECK(held.daemon().ctl({"zone", "shutdown", "guest1"}).status == 0);
    CHECK(held.holder().wait() == 0);
}

TEST_CASE("a zone that runs already is held as it is", "[hold]") {
    Held held;
    CHECK(held.daemon().ctl({"zone", "start", "guest1"}).status == 0);
    held.hold();
    CHECK(held.holder().wait(std::chrono::seconds(1)) == -1);
    CHECK(held.daemon().ctl({"zone", "shutdown", "guest1"}).status == 0);
    CHECK(held.holder().wait() == 0);
}

TEST_CASE("what cannot be started cannot be held", "[hold]") {
    Held held;
    held.hold("nobody");
    CHECK(held.holder().wait() == 3);
    CHECK(held.errors().contains("there is no nobody.json in "));
}

TEST_CASE("who holds a zone waits for a daemon that is restarted", "[hold]") {
    Held held;
    held.hold();
    REQUIRE(held.comes_to("running  2-3"));
    // The simulated hypervisor goes with its daemon, and the zone with it:
    // the holder hears so from the new daemon, and not before there is one.
    held.stop_daemon();
    held.start_daemon();
    CHECK(held.holder().wait() == 0);
}

TEST_CASE("who holds a zone starts it anew when the daemon went before it had", "[hold]") {
    Held held;
    held.stop_daemon();
    {
        const ScriptedDaemon stuck("");
        held.hold();
        REQUIRE(eventually([&] { return stuck.is_asked(); }));
    }
    held.start_daemon();
    REQUIRE(held.comes_to("running  2-3"));
    held.holder().signal(SIGTERM);
    CHECK(held.holder().wait() == 0);
    CHECK(held.errors().empty());
}

TEST_CASE("who holds a zone fails when the zone does, and says why", "[hold]") {
    Held held;
    held.stop_daemon();
    ScriptedDaemon daemon("running");
    held.hold();
    REQUIRE(eventually([&] { return daemon.looks() >= 2; }));
    daemon.change("failed");
    CHECK(held.holder().wait() == 1);
    CHECK(held.errors() == "hvisorctl: zone guest1 has failed: the hypervisor says so\n");
}

TEST_CASE("who holds a zone that outlives its daemon holds it by the next one", "[hold]") {
    Held held;
    held.stop_daemon();
    {
        const ScriptedDaemon first("running");
        held.hold();
        REQUIRE(eventually([&] { return first.looks() >= 2; }));
    }
    CHECK(held.holder().wait(std::chrono::milliseconds(300)) == -1);
    ScriptedDaemon second("running");
    REQUIRE(eventually([&] { return second.looks() >= 1; }));
    SECTION("which shuts it down") {
        held.holder().signal(SIGTERM);
        CHECK(held.holder().wait() == 0);
        CHECK(second.state() == "stopped");
    }
    SECTION("which tells its end") {
        second.change("stopped");
        CHECK(held.holder().wait() == 0);
    }
    CHECK(held.errors().empty());
}

} // namespace
} // namespace hvisor::test
