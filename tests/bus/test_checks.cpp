// SPDX-License-Identifier: Apache-2.0
#include "bus_client.hpp"
#include "daemon.hpp"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <cstddef>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace hvisor::test {
namespace {

using Text = sdbus::Struct<std::string, std::string>;
using Lines = std::vector<std::string>;

Lines lines(const Dictionary& results, const char* key) {
    return results.at(key).get<Lines>();
}

/// A zone that cannot run beside guest1.
std::string other_zone(const ZoneFiles::Changes& changes = {}) {
    ZoneFiles::Changes all{{R"("guest1", "zone_id": 1)", R"("guest2", "zone_id": 2)"}};
    all.insert(changes.begin(), changes.end());
    return ZoneFiles::zone_json(all);
}

/// Calls whose answers come in some order, made while the daemon looks at none of them.
class Calls {
  public:
    explicit Calls(const Daemon& daemon) : daemon_(daemon) {
        connection_->enterEventLoopAsync();
        daemon_.freeze();
    }
    Calls(const Calls&) = delete;
    Calls& operator=(const Calls&) = delete;
    Calls(Calls&&) = delete;
    Calls& operator=(Calls&&) = delete;
    ~Calls() { connection_->leaveEventLoop(); }

    template <class... Values>
    void call(const char* method, const Values&... values) {
        ++made_;
        manager_.getProxy()
            .callMethodAsync(method)
            .onInterface(Manager::INTERFACE_NAME)
            .withTimeout(patience)
            .withArguments(values...)
            .uponReplyInvoke([this, method](std::optional<sdbus::Error> error, // NOLINT(*-value-param)
                                            const Dictionary&) {
                const std::lock_guard guard(lock_);
                answers_.push_back(error ? method + (": " + error->getMessage()) : method);
            });
    }
    /// Who was answered, the first first.
    [[nodiscard]] Lines answers() {
        daemon_.thaw();
        REQUIRE(eventually(
            [this] {
                const std::lock_guard guard(lock_);
                return answers_.size() == made_;
            },
            patience));
        return answers_;
    }

  private:
    /// What takes three seconds on an idle machine took half a minute beside a build.
    static constexpr std::chrono::minutes patience{3};

    const Daemon& daemon_;
    std::unique_ptr<sdbus::IConnection> connection_ = sdbus::createSessionBusConnection();
    Manager manager_{*connection_};
    std::size_t made_ = 0;
    std::mutex lock_;
    Lines answers_; ///< under lock_
};

TEST_CASE("whether zones fit this machine is told without opening what they name", "[checks]") {
    const Daemon daemon({"guest1"});
    const auto connection = sdbus::createSessionBusConnection();
    Manager manager(*connection);
    const Dictionary here{{"folder", sdbus::Variant(daemon.files().path("configured"))}};
    const std::vector<Text> files{Text{"z.json", other_zone({{"[2, 3]", "[1, 2]"}})},
                                  Text{"v.json", ZoneFiles::virtio_json({{R"("id": 1)", R"("id": 2)"}})}};

    // guest1 is configured and does not run.
    auto found = manager.CheckZones(files, here);
    CHECK(lines(found, "Problems") ==
          Lines{"z.json:2:44: /cpus/0: CPU 1 belongs to the root zone; expected CPUs that no zone uses"});
    const auto warnings = lines(found, "Warnings");
    REQUIRE(warnings.size() == 3);
    CHECK(warnings[0].starts_with("z.json:2:47: /cpus/1: CPU 2 belongs to zone guest1, too; "));
    CHECK(warnings[1].ends_with("zone guest1 is configured, and the two cannot run at the same time"));
    CHECK(warnings[2].contains("/zones/0/devices/1/img: disk.img is a disk of zone guest1"));
    CHECK(lines(found, "NotChecked").size() == 1);

    manager.StartZone("guest1", {});
    found = manager.CheckZones(files, here);
    CHECK(lines(found, "Problems").size() == 4);
    CHECK(lines(found, "Problems")[1] ==
          "z.json:2:47: /cpus/1: CPU 2 belongs to zone guest1; expected CPUs that no zone uses");
    CHECK(lines(found, "Warnings").empty());
    // Itself is not in its way.
    CHECK(lines(manager.CheckZones({Text{"z.json", ZoneFiles::zone_json()}}, here), "Problems").empty());

    CHECK(error_of([&] { manager.CheckZones(std::vector<Text>(65), {}); }) == "InvalidConfig");
    CHECK(error_of([&] { manager.CheckZones({Text{"z", std::string(5UL << 20U, ' ')}}, {}); }) ==
          "InvalidConfig");
    CHECK(error_of([&] { manager.CheckZones({}, {{"folder", sdbus::Variant(1)}}); }) ==
          "org.freedesktop.DBus.Error.InvalidArgs");
}

TEST_CASE("hvisorctl checks files against the machine where a daemon answers", "[checks]") {
    const Daemon daemon;
    const auto& files = daemon.files();
    const auto good = daemon.ctl({"config", "check", files.path("zone.json"), files.path("virtio.json")});
    INFO(good.errors);
    CHECK(good.status == 0);
    CHECK(good.output == "no problem in 2 files, 1 zone\n");
    CHECK_FALSE(good.errors.contains("this machine"));
    CHECK(good.errors.contains("not looked at: what memory is reserved for zones"));

    // Of its own devices first, then of the machine, each once.
    const auto text =
        other_zone({{"[2, 3]", "[1, 2]"}, {R"("interrupts": [76, 78])", R"("interrupts": [78])"}});
    const auto virtio = ZoneFiles::virtio_json({{R"("id": 1)", R"("id": 2)"}});
    const std::vector<std::string> check{"config", "check", files.write("z.json", text),
                                         files.write("v.json", virtio)};
    const auto bad = daemon.ctl(check);
    CHECK(bad.status == 8);
    CHECK(bad.output.empty());
    const auto own = bad.errors.find("/zones/0/devices/0/irq: ");
    const auto machine = bad.errors.find("/cpus/0: CPU 1 belongs to the root zone");
    REQUIRE(own != std::string::npos);
    CHECK((own < machine && machine != std::string::npos));
    CHECK(machine == bad.errors.rfind("/cpus/0: "));

    auto elsewhere = check;
    elsewhere.emplace_back("--no-machine");
    const auto alone = daemon.ctl(elsewhere);
    CHECK(alone.status == 8);
    CHECK_FALSE(alone.errors.contains("/cpus/0: "));
    CHECK(alone.errors.contains("not looked at: this machine, with its CPUs, memory, interrupts, zones and "
                                "hypervisor: --no-machine says so\n"));
}

TEST_CASE("zones are checked while another one starts", "[checks]") {
    const Daemon daemon;
    Calls calls(daemon);
    const auto large = ZoneFiles::zone_json(
        {{R"("size": "0x1000000")", R"("size": "0x20000000")"},
         {R"("interrupts": [76, 78],)", R"("interrupts": [76, 78], "clear_ram": true, "devices": [],)"}});
    calls.call("StartZoneFromConfig", std::string("large.json"), large, std::string(), std::string(),
               zone_files(daemon.files()), Dictionary{});
    calls.call("CheckZones", std::vector<Text>{Text{"z.json", other_zone()}}, Dictionary{});
    CHECK(calls.answers() == Lines{"CheckZones", "StartZoneFromConfig"});
}

TEST_CASE("a zone starts while others are checked, of which there are not too many", "[checks]") {
    const Daemon daemon({"guest1"});
    Calls calls(daemon);
    // Much to read, and nothing to be had in it.
    const std::vector<Text> large(
        3, Text{"z.json", R"({ "name": ")" + std::string(1UL << 20U, 'x').substr(100) + "\" }"});
    for (int i = 0; i < 12; ++i) {
        calls.call("CheckZones", large, Dictionary{});
    }
    calls.call("StartZone", std::string("guest1"), Dictionary{});
    auto answers = calls.answers();
    const auto busy = "CheckZones: 8 checks wait or run; try again when some have ended";
    CHECK(std::ranges::contains(answers, busy));
    CHECK(answers.back() == "CheckZones");
}

} // namespace
} // namespace hvisor::test
