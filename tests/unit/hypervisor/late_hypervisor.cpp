// SPDX-License-Identifier: Apache-2.0
#include "hypervisor/late_hypervisor.hpp"

#include "hypervisor/hvisor_module.hpp"
#include "hypervisor/simulated.hpp"
#include "hypervisor/trap_loop.hpp"
#include "kit/wait.hpp"

#include <array>
#include <catch2/catch_test_macros.hpp>
#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <format>
#include <memory>
#include <optional>
#include <unistd.h>

namespace late_hypervisor_test {

using namespace hvisor;
using namespace hvisor::hypervisor;
using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t base = 0xa000000;

class Answering final : public TrapHandler {
  public:
    std::optional<std::uint64_t> access(const TrapRequest& /*request*/) override { return 0x74726976; }
};

/// A hypervisor that can be let in, with a zone that runs already.
struct Rig {
    Result<std::unique_ptr<Hypervisor>> open() {
        ++tries;
        if (!is_there) {
            return fail(ErrorCode::no_hypervisor, "it is not there");
        }
        auto made = std::make_unique<Simulated>();
        made->add_zone(1, "linux2", 0xc, {{.address = base, .size = 0x200}});
        simulated = made.get();
        return made;
    }

    bool is_there = false;
    int tries = 0;
    Simulated* simulated = nullptr;
    LateHypervisor hypervisor{[this] { return open(); }};
    TrapLoop loop{hypervisor};
};

TEST_CASE("a hypervisor that is not there refuses every call with the reason", "[hypervisor]") {
    Rig rig;
    CHECK(rig.hypervisor.attach(rig.loop));
    CHECK(rig.hypervisor.presence() ==
          LateHypervisor::Presence{.is_attached = false, .reason = "it is not there", .magic = 0});
    CHECK_FALSE(rig.hypervisor.attach(rig.loop)); // nothing new
    CHECK(rig.tries == 2);

    std::array<std::byte, 16> bytes{};
    const auto check = [](const auto& result) {
        REQUIRE_FALSE(result);
        CHECK(result.error().code == ErrorCode::no_hypervisor);
        CHECK(result.error().message == "there is no hypervisor to work with: it is not there");
    };
    check(rig.hypervisor.config_magic());
    check(rig.hypervisor.list_zones());
    check(rig.hypervisor.load(0x50000000, bytes));
    check(rig.hypervisor.clear(0x50000000, 16));
    check(rig.hypervisor.start_zone(bytes));
    check(rig.hypervisor.shutdown_zone(1));
    check(rig.hypervisor.map_ram(0x50000000, 4096));
    CHECK(rig.hypervisor.wakeup_fd() < 0);
    CHECK(rig.loop.drain());
    CHECK(rig.loop.counts().requests == 0);
}

TEST_CASE("a hypervisor that comes later is served by the loop that waited for it", "[hypervisor]") {
    Rig rig;
    rig.hypervisor.attach(rig.loop);
    // It sleeps on the page on which nothing comes.
    REQUIRE(kit::eventually([&] { return rig.loop.counts().sleeps != 0; }));
    rig.is_there = true;
    CHECK(rig.hypervisor.attach(rig.loop));
    CHECK(rig.hypervisor.presence() ==
          LateHypervisor::Presence{.is_attached = true, .reason = "", .magic = 6});
    CHECK_FALSE(rig.hypervisor.attach(rig.loop));
    CHECK(rig.tries == 2);
    CHECK(rig.hypervisor.wakeup_fd() == rig.simulated->wakeup_fd());

    const auto zones = rig.hypervisor.list_zones();
    REQUIRE(zones);
    REQUIRE(zones->size() == 2);
    CHECK(zones->at(1).name == "linux2");
    CHECK(rig.hypervisor.map_ram(0x50000000, 4096));

    rig.loop.add_zone(1, std::make_shared<Answering>());
    CHECK(rig.simulated->guest_read(2, base, 4) == 0x74726976);
    // Once it sleeps, the new hypervisor's wake-up ends that.
    const auto sleeps = rig.loop.counts().sleeps;
    REQUIRE(kit::eventually([&] { return rig.loop.counts().sleeps > sleeps; }));
    const auto wakeups = rig.simulated->counts().wakeups;
    CHECK(rig.simulated->guest_read(2, base, 4) == 0x74726976);
    CHECK(rig.simulated->counts().wakeups > wakeups);
    rig.loop.inject(1, 76);
    CHECK(rig.simulated->take_interrupt(1, 76, kit::patience));
    rig.loop.remove_zone(1);
    CHECK(rig.simulated->panicked().empty());
}

TEST_CASE("a device that is missing is explained by where this Linux runs", "[hypervisor]") {
    const auto tree = std::filesystem::temp_directory_path() / std::format("hvisor-tree-{}", ::getpid());
    std::filesystem::create_directories(tree);
    const auto message = [&](int error) { return missing_device("/dev/hvisor", error, tree).message; };
    CHECK(missing_device("/dev/hvisor", ENOENT, tree).code == ErrorCode::no_hypervisor);
    CHECK(message(ENOENT).contains("/dev/hvisor: No such file or directory; the device tree has no node"));
    CHECK(message(ENOENT).contains("not hvisor's root zone"));
    std::filesystem::create_directory(tree / "hvisor_virtio_device");
    CHECK(message(ENOENT).contains("load the kernel module with 'modprobe hvisor'"));
    CHECK(message(EACCES).contains("hvisord runs as root"));
    CHECK(missing_device("/dev/hvisor", EACCES, tree).code == ErrorCode::not_permitted);
    std::filesystem::remove_all(tree);
    // As on x86_64, where there is none.
    CHECK(message(ENXIO).contains("modprobe hvisor"));
}

} // namespace

} // namespace late_hypervisor_test
