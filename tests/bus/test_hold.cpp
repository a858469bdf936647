// SPDX-License-Identifier: Apache-2.0
#include "bus_client.hpp"
#include "daemon.hpp"

#include <catch2/catch_test_macros.hpp>
#include <csignal>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace hvisor::test {
namespace {

/// A daemon with a configured zone, and `hvisorctl zone hold` on it.
class Held {
  public:
    Held() : daemon_(std::make_unique<Daemon>()) { configure(); }

    [[nodiscard]] Daemon& daemon() { return *daemon_; }

    void hold(const std::string& zone = "guest1") {
        holder_ = std::make_unique<Process>(
            std::vector<std::string>{program("HVISORCTL"), "--bus=session", "zone", "hold", zone},
            files_.path("hold.out"), files_.path("hold.err"));
    }
    [[nodiscard]] Process& holder() { return *holder_; }
    [[nodiscard]] std::string errors() const { return read_file(files_.path("hold.err")); }

    [[nodiscard]] bool comes_to(const std::string& state) {
        return eventually([&] { return daemon_->ctl({"zone", "list"}).output.contains(state); });
    }
    void restart_daemon() {
        daemon_.reset();
        daemon_ = std::make_unique<Daemon>();
        configure();
    }

  private:
    void configure() {
        static_cast<void>(daemon_->files().write("guest1.json", ZoneFiles::zone_json()));
        static_cast<void>(daemon_->files().write("guest1.virtio.json", ZoneFiles::virtio_json()));
    }

    ZoneFiles files_;
    std::unique_ptr<Daemon> daemon_;
    std::unique_ptr<Process> holder_;
};

TEST_CASE("who holds a zone starts it, and shuts it down when it is ended", "[hold]") {
    Held held;
    held.hold();
    REQUIRE(held.comes_to("running"));
    held.holder().signal(SIGTERM);
    CHECK(held.holder().wait() == 0);
    CHECK(held.errors().empty());
    CHECK_FALSE(held.daemon().ctl({"zone", "list"}).output.contains("guest1  running"));
}

TEST_CASE("who holds a zone ends when somebody else shuts it down", "[hold]") {
    Held held;
    held.hold();
    REQUIRE(held.comes_to("running"));
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
    REQUIRE(held.comes_to("running"));
    // The simulated hypervisor goes with its daemon, and the zone with it:
    // the holder hears so from the new daemon, and not before there is one.
    held.restart_daemon();
    CHECK(held.holder().wait() == 0);
}

} // namespace
} // namespace hvisor::test
