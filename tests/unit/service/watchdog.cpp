// SPDX-License-Identifier: Apache-2.0
#include "service/watchdog.hpp"

#include "base/unique_fd.hpp"
#include "hypervisor/simulated.hpp"
#include "kit/captured_log.hpp"

#include <array>
#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <format>
#include <future>
#include <stdexcept>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <thread>
#include <unistd.h>

namespace watchdog_test {

using namespace hvisor;
using namespace std::chrono_literals;

namespace {

/// systemd's side: what it asks of a service, and what it is told.
class Manager {
  public:
    explicit Manager(std::chrono::microseconds limit) {
        const std::string name = std::format("hvisor-watchdog-{}", ::getpid());
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        // An abstract one: the first byte is 0.
        std::memcpy(address.sun_path + 1, name.data(), name.size());
        const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
        if (!socket_ || ::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0) {
            throw std::runtime_error("no notification socket");
        }
        ::setenv("NOTIFY_SOCKET", ("@" + name).c_str(), 1);
        ::setenv("WATCHDOG_USEC", std::to_string(limit.count()).c_str(), 1);
    }
    Manager(const Manager&) = delete;
    Manager& operator=(const Manager&) = delete;
    Manager(Manager&&) = delete;
    Manager& operator=(Manager&&) = delete;
    ~Manager() {
        ::unsetenv("NOTIFY_SOCKET");
        ::unsetenv("WATCHDOG_USEC");
    }

    /// How often it has been told since the last look.
    [[nodiscard]] int feedings() const {
        int count = 0;
        std::array<char, 256> buffer{};
        for (;;) {
            const auto size = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
            if (size <= 0) {
                return count;
            }
            count += std::string(buffer.data(), static_cast<std::size_t>(size)) == "WATCHDOG=1" ? 1 : 0;
        }
    }

  private:
    UniqueFd socket_{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
};

/// The daemon's two loops, both going round.
struct Rig {
    explicit Rig(std::chrono::microseconds limit) : manager(limit) {
        REQUIRE(watchdog);
        thread = std::jthread([this] { CHECK((*loop)->run()); });
    }
    ~Rig() {
        (*loop)->post([this] { (*loop)->quit(); });
        thread.join();
    }
    Rig(const Rig&) = delete;
    Rig& operator=(const Rig&) = delete;
    Rig(Rig&&) = delete;
    Rig& operator=(Rig&&) = delete;

    /// Feedings within ten times the period in which they come.
    [[nodiscard]] int feedings_for_a_while() const {
        static_cast<void>(manager.feedings());
        std::this_thread::sleep_for(500ms);
        return manager.feedings();
    }

    Manager manager;
    hypervisor::Simulated hypervisor;
    hypervisor::TrapLoop trap_loop{hypervisor};
    Result<std::unique_ptr<service::MainLoop>> loop = service::MainLoop::create();
    Result<std::unique_ptr<service::Watchdog>> watchdog = service::Watchdog::create(**loop, trap_loop);
    std::jthread thread;
};

} // namespace

TEST_CASE("systemd is told that all is well while both loops go round") {
    const Rig rig(200ms);
    CHECK(rig.feedings_for_a_while() >= 1);
}

TEST_CASE("a TrapLoop that hangs is not covered up by a main loop that does not") {
    const kit::CapturedLog log;
    Rig rig(200ms);
    std::promise<void> end;
    rig.trap_loop.reactor().post([waits = end.get_future()]() mutable { waits.wait(); });
    std::this_thread::sleep_for(400ms); // one look finds the answer to the question before
    CHECK(rig.feedings_for_a_while() == 0);
    CHECK(log.lines() == 1);
    end.set_value();
    CHECK(rig.feedings_for_a_while() >= 1);
    CHECK(log.lines() == 2);
}

TEST_CASE("a main loop that hangs tells nothing") {
    Rig rig(200ms);
    std::promise<void> end;
    (*rig.loop)->post([waits = end.get_future()]() mutable { waits.wait(); });
    std::this_thread::sleep_for(100ms);
    CHECK(rig.feedings_for_a_while() == 0);
    end.set_value();
    CHECK(rig.feedings_for_a_while() >= 1);
}

TEST_CASE("without WatchdogSec= nobody is told") {
    Rig rig(0us);
    CHECK(rig.feedings_for_a_while() == 0);
}

} // namespace watchdog_test
