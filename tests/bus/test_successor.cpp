// SPDX-License-Identifier: Apache-2.0
// hvisord ends in any way while a zone works, and another one goes on: the real program, with
// a machine that stays, and a service manager that keeps its files.
#include "bus_client.hpp"
#include "busy_guest.hpp"
#include "daemon.hpp"
#include "hypervisor/simulated.hpp"
#include "kit/machine_server.hpp"
#include "kit/service_manager.hpp"
#include "process.hpp"
#include "zone_files.hpp"

#include <array>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <chrono>
#include <csignal>
#include <exception>
#include <fcntl.h>
#include <filesystem>
#include <iterator>
#include <random>
#include <stop_token>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <utility>
#include <vector>

namespace hvisor::test {
namespace {

std::size_t open_files(const kit::ServiceManager& manager) {
    const std::filesystem::directory_iterator files("/proc/" + std::to_string(manager.process()) + "/fd");
    return manager.kept() + static_cast<std::size_t>(std::distance(begin(files), end(files)));
}

/// The whole: a machine, a service manager and a daemon in it, and how it is spoken to.
struct House {
    explicit House(bool files_are_kept) : keeps_files(files_are_kept) { manager.start(); }

    [[nodiscard]] Finished ctl(std::vector<std::string> arguments) const {
        std::vector<std::string> command{program("HVISORCTL"),
                                         "--address=unix:path=" + files.path("control")};
        command.insert(command.end(), std::make_move_iterator(arguments.begin()),
                       std::make_move_iterator(arguments.end()));
        Process process(std::move(command), files.path("ctl.out"), files.path("ctl.err"));
        const int status = process.wait();
        return {.status = status,
                .output = read_file(files.path("ctl.out")),
                .errors = read_file(files.path("ctl.err"))};
    }
    [[nodiscard]] std::string log() const { return read_file(manager.log_path()); }

    const bool keeps_files;
    ZoneFiles files;
    hypervisor::Simulated machine;
    kit::MachineServer server{machine, files.path("machine")};
    kit::ServiceManager manager{{program("HVISORD"), "--simulated", "--device=" + files.path("machine"),
                                 "--listen=" + files.path("control"),
                                 "--config-dir=" + files.path("configured")},
                                files.folder(),
                                keeps_files,
                                {"DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nonexistent"}};
};

/// A daemon under sanitizers on a busy machine takes its time.
constexpr auto ready_time = 60s;

void run(auto& guest, const std::stop_token& stopped, Faults& faults) {
    try {
        guest.run(stopped);
    } catch (const std::exception& error) {
        faults.add(error.what());
    }
}

/// A client's of the zone's console.
UniqueFd open_stream(const House& house, bool types) {
    const auto connection = sdbus::createDirectBusConnection("unix:path=" + house.files.path("control"));
    Zone zone(*connection, guest_path);
    auto opened = zone.OpenConsole("", {{"read-only", sdbus::Variant(!types)}});
    return UniqueFd(std::get<sdbus::UnixFd>(opened).release());
}

enum class Typist { pty, stream };

/// A zone works, and meanwhile each of the rounds ends one daemon and begins the next.
template <class Round>
void work(House& house, unsigned rounds, Typist typist, Round round) {
    REQUIRE(house.manager.wait_until_ready(ready_time));
    const auto started = house.ctl(
        {"zone", "start", house.files.path("zone.json"), "--virtio", house.files.path("virtio.json")});
    {
        INFO(started.errors << house.log());
        REQUIRE(started.status == 0);
    }
    const auto shown = house.ctl({"zone", "show", "guest1"}).output;
    const auto pty = shown.substr(shown.find("/dev/pts/"));

    Faults faults;
    DiskGuest disk(house.machine, faults);
    ConsoleGuest console(house.machine, faults);
    disk.bring_up();
    console.bring_up();
    const auto path = pty.substr(0, pty.find_first_not_of("/devpts0123456789"));
    ConsoleUser at_pty(UniqueFd(::open(path.c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC)), typist == Typist::pty,
                       faults);
    ConsoleUser at_stream(open_stream(house, typist == Typist::stream), typist == Typist::stream, faults);
    ConsoleUser& user = typist == Typist::pty ? at_pty : at_stream;
    std::jthread disk_cpu([&](const std::stop_token& stopped) { run(disk, stopped, faults); });
    std::jthread console_cpu([&](const std::stop_token& stopped) { run(console, stopped, faults); });

    REQUIRE(eventually([&] { return disk.answered() > 100; }));
    const auto files = open_files(house.manager);
    std::minstd_rand chance(1);
    for (unsigned i = 0; i < rounds && faults.text().empty(); ++i) {
        std::this_thread::sleep_for(std::chrono::microseconds(chance() % 30'000));
        const auto before = disk.answered();
        round(i);
        REQUIRE(house.manager.wait_until_ready(ready_time));
        REQUIRE(eventually([&] { return disk.answered() > before + 50 || !faults.text().empty(); }));
    }
    user.stop_typing();
    CHECK(eventually([&] { return console.typed_bytes() == user.typed_bytes() || !faults.text().empty(); }));
    CHECK(user.typed_bytes() > rounds);
    disk_cpu.request_stop();
    console_cpu.request_stop();
    disk_cpu.join();
    console_cpu.join();
    for (const auto* reader : {&at_pty, &at_stream}) {
        CHECK(eventually([&] { return reader->lines() == console.printed() || !faults.text().empty(); }));
    }
    INFO(house.log());
    CHECK(faults.text() == "");            // NOLINT(readability-container-size-empty): it is to be seen
    CHECK(house.machine.panicked() == ""); // NOLINT(readability-container-size-empty)
    CHECK(open_files(house.manager) <= files);
    CHECK(house.ctl({"zone", "list"}).output.contains("running"));
    CHECK(house.ctl({"zone", "kill", "guest1"}).status == 0);
    CHECK(house.manager.end(SIGTERM) == 0);
}

TEST_CASE("a zone notices no restart, no kill and no crash", "[successor]") {
    const auto typist = GENERATE(Typist::pty, Typist::stream);
    House house(true);
    work(house, 30, typist, [&](unsigned number) {
        // SIGABRT is also what systemd's watchdog sends.
        constexpr std::array signals{SIGTERM, SIGKILL, SIGABRT};
        const int signal = signals.at(number % signals.size());
        const int status = house.manager.end(signal);
        CHECK((signal == SIGTERM ? status == 0 : WIFSIGNALED(status) && WTERMSIG(status) == signal));
        house.manager.start();
    });
}

TEST_CASE("where nobody keeps files, hvisord starts itself again", "[successor]") {
    const auto typist = GENERATE(Typist::pty, Typist::stream);
    House house(false);
    work(house, 15, typist, [&](unsigned) { house.manager.have_it_start_again(SIGUSR2); });
    CHECK(house.manager.kept() == 0);
}

TEST_CASE("under a service manager hvisord does not start itself", "[successor]") {
    House house(true);
    REQUIRE(house.manager.wait_until_ready(ready_time));
    ::kill(house.manager.process(), SIGUSR2);
    CHECK(eventually([&] { return house.log().contains("use systemctl restart hvisord"); }));
    CHECK(house.ctl({"zone", "list"}).status == 0);
    CHECK(house.manager.end(SIGTERM) == 0);
}

} // namespace
} // namespace hvisor::test
