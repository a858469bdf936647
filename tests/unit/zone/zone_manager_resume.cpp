// SPDX-License-Identifier: Apache-2.0
// A manager goes on with the zones of one before it, with nothing but the files that were kept.
#include "base/fd_store.hpp"
#include "base/state_memory.hpp"
#include "kit/wait.hpp"
#include "manager_rig.hpp"
#include "virtio/device_record.hpp"
#include "virtio/registers.hpp"
#include "zone/zone_record.hpp"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <fcntl.h>
#include <map>
#include <memory>
#include <string>
#include <sys/mman.h>
#include <unistd.h>
#include <utility>

namespace zone_manager_resume_test {

using namespace hvisor::zone;
using hvisor::ErrorCode;
using hvisor::FdStore;
using hvisor::StateMemory;
using hvisor::UniqueFd;
using test::changed;

namespace {

using Files = std::multimap<std::string, UniqueFd>;

UniqueFd duplicate(int fd) {
    return UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
}

/// Who keeps files, as systemd does.
class Keeper {
  public:
    FdStore::Carrier carrier() {
        return {.keep = [this](const std::string& name, int fd) { files_.emplace(name, duplicate(fd)); },
                .drop = [this](const std::string& name) { files_.erase(name); }};
    }
    /// What the next process gets when this one is killed now: what this one still does to its
    /// state is not in it.
    [[nodiscard]] Files left() const {
        Files left;
        for (const auto& [name, file] : files_) {
            auto state = name.ends_with(".state") ? StateMemory::open(duplicate(file.get()), name)
                                                  : std::unexpected(hvisor::Error{});
            if (!state) {
                left.emplace(name, duplicate(file.get()));
                continue;
            }
            auto copy = *StateMemory::create(name);
            std::ranges::copy(state->bytes(), copy.bytes().begin());
            left.emplace(name, duplicate(copy.fd()));
        }
        return left;
    }
    /// Of all zones; the manager has a file of its own.
    [[nodiscard]] std::ptrdiff_t count() const { return std::ssize(files_) - count("inotify"); }
    /// Of names that have this in them.
    [[nodiscard]] std::ptrdiff_t count(const std::string& part) const {
        return std::ranges::count_if(files_, [&](const auto& file) { return file.first.contains(part); });
    }

  private:
    Files files_;
};

/// A machine with the files of the good zone.
struct Machine {
    test::TemporaryDirectory directory;
    test::GatedHypervisor hypervisor;

    Machine() {
        directory.write("Image", test::arm64_image(0));
        directory.write("zone1.dtb", test::dtb());
        directory.write("disk.img", std::string(4096, 'd'));
    }
    [[nodiscard]] std::uint64_t read(hvisor::virtio::Register which) {
        return hypervisor.real().guest_read(2, 0xa003c00 + std::to_underlying(which), 4).value_or(UINT64_MAX);
    }
    void write(hvisor::virtio::Register which, std::uint64_t value) {
        REQUIRE(hypervisor.real().guest_write(2, 0xa003c00 + std::to_underlying(which), 4, value));
    }
};

/// One process of the daemon, as long as it lives.
struct Process {
    Keeper keeper;
    FdStore store;
    hvisor::hypervisor::TrapLoop trap_loop;
    ZoneManager manager;

    explicit Process(Machine& machine, Files inherited = {})
        : keeper(),
          store(keeper.carrier(), std::move(inherited)),
          trap_loop(machine.hypervisor),
          manager(machine.hypervisor, trap_loop, {machine.directory.path()},
                  machine.directory.path() / "no-device-tree", &store) {}

    [[nodiscard]] ZoneState zone(const std::string& name) {
        for (auto& state : manager.zones()) {
            if (state.name == name) {
                return state;
            }
        }
        return {};
    }
};

/// The process is killed, and the next one begins.
void succeed(std::unique_ptr<Process>& process, Machine& machine) {
    auto left = process->keeper.left();
    process.reset();
    // What systemd keeps stays with it.
    Files again;
    for (const auto& [name, file] : left) {
        again.emplace(name, duplicate(file.get()));
    }
    process = std::make_unique<Process>(machine, std::move(left));
    for (const auto& [name, file] : again) {
        process->keeper.carrier().keep(name, file.get());
    }
    process->manager.resume();
}

FileTable open_files(const Machine& machine) {
    FileTable files;
    for (const char* name : {"Image", "zone1.dtb", "disk.img"}) {
        files.files.emplace(
            name, UniqueFd(::open((machine.directory.path() / name).c_str(),
                                  (name == std::string("disk.img") ? O_RDWR : O_RDONLY) | O_CLOEXEC)));
    }
    return files;
}

} // namespace

TEST_CASE("a zone goes on with the manager after, with its registers and its open files") {
    Machine machine;
    auto process = std::make_unique<Process>(machine);
    REQUIRE(process->manager.start({.name = "z.json", .text = std::string(good_zone)},
                                   {.name = "v.json", .text = std::string(good_virtio)},
                                   open_files(machine)));
    machine.write(hvisor::virtio::Register::status, 3);
    machine.write(hvisor::virtio::Register::queue_sel, 0);
    machine.write(hvisor::virtio::Register::queue_num, 64);
    for (int round = 0; round < 3; ++round) {
        succeed(process, machine);
        CHECK(process->zone("linux2").state == State::running);
        CHECK(process->zone("linux2").managed);
        REQUIRE(process->zone("linux2").devices.size() == 2);
        CHECK(machine.read(hvisor::virtio::Register::status) == 3);
        CHECK(process->zone("linux2").devices.at(1).queues.at(0).size == 64);
        CHECK(process->keeper.count("zone.") == 1);
        CHECK(process->store.inherited("").empty());
    }
    // Another process must not have the disk meanwhile, and it is the same file.
    CHECK(process->keeper.count(".disk") == 1);
    // With what it was started from it can be started again: nobody has the files open but we.
    for (const char* name : {"Image", "zone1.dtb", "disk.img"}) {
        REQUIRE(::unlink((machine.directory.path() / name).c_str()) == 0);
    }
    const auto restarted = process->manager.restart("linux2");
    INFO(message(restarted));
    REQUIRE(restarted);
    CHECK(machine.read(hvisor::virtio::Register::status) == 0);
    REQUIRE(process->manager.shutdown("linux2"));
    CHECK(process->keeper.count() == 0);
}

TEST_CASE("nothing is kept of a zone that was not started") {
    Machine machine;
    Process process(machine);
    // The console is made before the disk, which somebody else uses.
    const UniqueFd other(::open((machine.directory.path() / "disk.img").c_str(), O_RDWR | O_CLOEXEC));
    struct flock lock{};
    lock.l_type = F_WRLCK;
    REQUIRE(::fcntl(other.get(), F_OFD_SETLK, &lock) == 0);
    const auto start = [&] {
        return process.manager.start({.name = "z.json", .text = std::string(good_zone)},
                                     {.name = "v.json", .text = std::string(good_virtio)},
                                     open_files(machine));
    };
    REQUIRE_FALSE(start());
    CHECK(process.keeper.count() == 0);
    // What is kept has the disk's lock, too: it must not keep the zone from its next start.
    lock.l_type = F_UNLCK;
    REQUIRE(::fcntl(other.get(), F_OFD_SETLK, &lock) == 0);
    machine.hypervisor.fail_start = hvisor::Error{ErrorCode::hypervisor_refused, "no"};
    REQUIRE_FALSE(start());
    CHECK(process.keeper.count() == 0);
    machine.hypervisor.fail_start.reset();
    CHECK(start());
}

TEST_CASE("a zone that cannot go on runs without its devices, and leaves its disk to the next start") {
    Machine machine;
    auto process = std::make_unique<Process>(machine);
    REQUIRE(process->manager.start({.name = "z.json", .text = std::string(good_zone)},
                                   {.name = "v.json", .text = std::string(good_virtio)},
                                   open_files(machine)));
    machine.hypervisor.fail_map = hvisor::Error{ErrorCode::not_permitted, "no"};
    succeed(process, machine);
    CHECK(process->zone("linux2").state == State::running);
    CHECK_FALSE(process->zone("linux2").managed);
    CHECK(process->keeper.count() == 0);
}

TEST_CASE("a zone of a configuration goes on, and knows where it came from") {
    Machine machine;
    machine.directory.write("linux2.json", good_zone);
    machine.directory.write("linux2.virtio.json", good_virtio);
    auto process = std::make_unique<Process>(machine);
    REQUIRE(process->manager.start_configured("linux2"));
    succeed(process, machine);
    CHECK(process->zone("linux2").state == State::running);
    CHECK(process->manager.restart("linux2"));
    CHECK(process->zone("linux2").state == State::running);
    REQUIRE(process->manager.shutdown("linux2"));
    CHECK(process->keeper.count() == 0);
}

TEST_CASE("what came to a zone, and what went, while it ran is so for the next manager") {
    Machine machine;
    machine.directory.write("other.img", std::string(8192, 'o'));
    auto process = std::make_unique<Process>(machine);
    REQUIRE(process->manager.start(
        {.name = machine.directory.path() / "z.json", .text = std::string(good_zone)},
        {.name = machine.directory.path() / "v.json", .text = std::string(good_virtio)},
        FileTable{.files = {}, .may_open = true}));
    const auto console = process->zone("linux2").devices.at(0).id;
    REQUIRE(process->manager.detach_device("linux2", console, false));
    const auto other = (machine.directory.path() / "other.img").string();
    REQUIRE(process->manager.swap_image("linux2", process->zone("linux2").devices.at(0).id, other,
                                        UniqueFd(::open(other.c_str(), O_RDWR | O_CLOEXEC))));
    succeed(process, machine);
    REQUIRE(process->zone("linux2").devices.size() == 1);
    CHECK(process->zone("linux2").devices.at(0).backend == other);
    CHECK(process->zone("linux2").devices.at(0).disk->capacity == 8192);
    REQUIRE(process->manager.shutdown("linux2"));
    CHECK(process->keeper.count() == 0);
}

TEST_CASE("a zone that has ended while no daemon was there is not taken for one that runs") {
    Machine machine;
    auto process = std::make_unique<Process>(machine);
    REQUIRE(process->manager.start({.name = "z.json", .text = std::string(good_zone)},
                                   {.name = "v.json", .text = std::string(good_virtio)},
                                   open_files(machine)));
    auto left = process->keeper.left();
    process.reset();
    REQUIRE(machine.hypervisor.shutdown_zone(1));
    process = std::make_unique<Process>(machine, std::move(left));
    process->manager.resume();
    CHECK(process->zone("linux2").state != State::running);
    CHECK(process->keeper.count() == 0);
    CHECK(process->store.inherited("").empty());
}

TEST_CASE("a zone that is to be started again is, also when it ended or waited beside no daemon") {
    const bool has_waited = GENERATE(true, false);
    Machine machine;
    auto process = std::make_unique<Process>(machine);
    REQUIRE(process->manager.start({.name = "z.json", .text = kept("always")}, {}, open_files(machine)));
    for (const char* name : {"Image", "zone1.dtb", "disk.img"}) {
        REQUIRE(::unlink((machine.directory.path() / name).c_str()) == 0);
    }
    for (int round = 0; round < 2; ++round) {
        machine.hypervisor.real().power_off(1);
        if (has_waited) {
            process->manager.refresh();
            REQUIRE(process->zone("linux2").state == State::starting);
        }
        for (int daemon = 0; daemon < 2; ++daemon) {
            succeed(process, machine);
            CHECK(process->zone("linux2").state == State::starting);
            CHECK(process->zone("linux2").reason ==
                  "the guest has powered itself off; it is started again in 1s");
            CHECK(process->keeper.count("zone.") == 1);
        }
        REQUIRE(hvisor::kit::eventually([&] {
            process->manager.refresh();
            return process->zone("linux2").state == State::running;
        }));
        CHECK(process->keeper.count("zone.") == 1);
        CHECK(machine.read(hvisor::virtio::Register::magic_value) == magic_value);
    }
    succeed(process, machine);
    CHECK(process->zone("linux2").state == State::running);
    REQUIRE(process->manager.shutdown("linux2"));
    CHECK(process->keeper.count() == 0);
}

TEST_CASE("a zone that had failed is started again by the manager after") {
    Machine machine;
    auto process = std::make_unique<Process>(machine);
    REQUIRE(process->manager.start({.name = "z.json", .text = kept("on-failure")}, {}, open_files(machine)));
    CHECK_FALSE(machine.hypervisor.real().guest_read(2, 0x1000, 4));
    process->manager.refresh();
    succeed(process, machine);
    CHECK(process->zone("linux2").state == State::starting);
    CHECK(process->zone("linux2").reason.contains("the hypervisor has marked it as failed"));
    REQUIRE(hvisor::kit::eventually([&] {
        process->manager.refresh();
        return process->zone("linux2").state == State::running;
    }));
    // One that has powered itself off in good order is left alone, whoever was there.
    machine.hypervisor.real().power_off(1);
    succeed(process, machine);
    CHECK(process->zone("linux2").state != State::starting);
    CHECK(process->keeper.count() == 0);
}

TEST_CASE("nothing is kept of a zone that waited for its next start when somebody has ended it") {
    const bool has_next = GENERATE(true, false);
    Machine machine;
    auto process = std::make_unique<Process>(machine);
    REQUIRE(process->manager.start({.name = "z.json", .text = kept("always")}, {}, open_files(machine)));
    machine.hypervisor.real().power_off(1);
    process->manager.refresh();
    if (has_next) {
        succeed(process, machine);
    }
    REQUIRE(process->manager.shutdown("linux2"));
    CHECK(process->zone("linux2").state == State::stopped);
    CHECK(process->keeper.count() == 0);
    succeed(process, machine);
    process->manager.refresh();
    CHECK(process->zone("linux2").state != State::starting);
}

TEST_CASE("the files of a zone that has ended by itself are kept no longer") {
    Machine machine;
    auto process = std::make_unique<Process>(machine);
    REQUIRE(process->manager.start({.name = "z.json", .text = kept("never")}, {}, open_files(machine)));
    machine.hypervisor.real().power_off(1);
    process->manager.refresh();
    CHECK(process->zone("linux2").state == State::stopped);
    CHECK(process->keeper.count() == 0);
}

TEST_CASE("a state that is of no use leaves a device that needs a reset, and says so") {
    const bool is_of_other_layout = GENERATE(true, false);
    Machine machine;
    auto process = std::make_unique<Process>(machine);
    REQUIRE(process->manager.start({.name = "z.json", .text = std::string(good_zone)},
                                   {.name = "v.json", .text = std::string(good_virtio)},
                                   open_files(machine)));
    auto left = process->keeper.left();
    process.reset();
    for (auto& [name, file] : left) {
        if (name.ends_with(".state")) {
            auto state = *StateMemory::open(duplicate(file.get()), name);
            auto& record = *reinterpret_cast<hvisor::virtio::DeviceRecord*>(state.bytes().data());
            if (is_of_other_layout) {
                record.header.layout ^= 0xff;
            } else {
                record.faults.in_a_row = hvisor::FaultCount::most;
            }
        }
    }
    process = std::make_unique<Process>(machine, std::move(left));
    process->manager.resume();
    CHECK(process->zone("linux2").state == State::running);
    using hvisor::virtio::Register;
    namespace status = hvisor::virtio::status;
    CHECK((machine.read(Register::status) & status::needs_reset) != 0);
    CHECK(process->zone("linux2").devices.front().reset_reason.contains(
        is_of_other_layout ? "left nothing to go on with" : "ended by a fault three times in a row"));
    // A driver that resets it has a device that works.
    machine.write(Register::status, 0);
    CHECK(machine.read(Register::status) == 0);
}

TEST_CASE("a zone whose record is broken, or of a newer daemon, is left alone") {
    const bool is_newer = GENERATE(false, true);
    Machine machine;
    auto process = std::make_unique<Process>(machine);
    REQUIRE(process->manager.start({.name = "z.json", .text = std::string(good_zone)},
                                   {.name = "v.json", .text = std::string(good_virtio)},
                                   open_files(machine)));
    auto left = process->keeper.left();
    process.reset();
    const auto record =
        std::ranges::find_if(left, [](const auto& f) { return f.first.starts_with("zone."); });
    REQUIRE(record != left.end());
    const auto text = *read_text_file(record->second.get());
    record->second = *make_text_file("record", is_newer ? changed(text, R"("layout": 2)", R"("layout": 3)")
                                                        : text.substr(0, text.size() / 2));
    process = std::make_unique<Process>(machine, std::move(left));
    process->manager.resume();
    const auto zone = process->zone("linux2");
    CHECK(zone.state == State::running);
    CHECK_FALSE(zone.managed);
    // A newer one may come back, and finds everything.
    CHECK(process->store.inherited("zone.").size() == (is_newer ? 1 : 0));
    CHECK(machine.hypervisor.list_zones()->size() == 2);
}

TEST_CASE("a record is the same when it was written and read") {
    const ZoneRecord record{
        .id = 3,
        .name = "a \"zone\"",
        .started_ns = 123456789012345,
        .origin = {.configured = "x",
                   .zone = {.name = "z.json", .text = "{ /* ü */ \"a\": \"\\n\" }"},
                   .virtio = {.name = "", .text = ""},
                   .may_open = true,
                   .files = {{.path = "a/b", .key = "k1"}}},
        .devices = {{.address = 0xa003c00, .key = "k2", .image = "/i", .text = {.name = "d", .text = "{}"}}}};
    const auto read = read_zone_record(write_zone_record(record));
    INFO(message(read));
    REQUIRE(read);
    CHECK(write_zone_record(*read) == write_zone_record(record));
    CHECK(read->origin.zone.text == record.origin.zone.text);
    CHECK(read->devices.at(0).address == 0xa003c00);
    for (const char* broken : {"", "{", "[]", R"({"layout": 1})", R"({"layout": "1"})"}) {
        CHECK_FALSE(read_zone_record(broken));
    }
}

} // namespace zone_manager_resume_test
