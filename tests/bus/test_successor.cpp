// SPDX-License-Identifier: Apache-2.0
// hvisord ends in any way while a zone works, and another one goes on: the real program, with
// a machine that stays, and a service manager that keeps its files.
#include "base/mapping.hpp"
#include "daemon.hpp"
#include "devices/block/config.hpp"
#include "hypervisor/simulated.hpp"
#include "kit/machine_server.hpp"
#include "kit/mmio_driver.hpp"
#include "kit/ram.hpp"
#include "kit/service_manager.hpp"
#include "kit/split_queue.hpp"
#include "process.hpp"
#include "zone_files.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <csignal>
#include <cstring>
#include <deque>
#include <filesystem>
#include <iterator>
#include <random>
#include <string>
#include <termios.h>
#include <thread>
#include <utility>
#include <vector>

namespace hvisor::test {
namespace {

using namespace std::chrono_literals;
using devices::block::RequestHeader;
using devices::block::RequestType;
using Clock = std::chrono::steady_clock;

constexpr std::uint32_t zone = 1;
constexpr std::uint64_t ram_address = 0x50000000;
/// Of the zone's RAM: its kernel is behind it.
constexpr std::size_t half = std::size_t{1} << 20;

constexpr const char* not_answered = "a register access was not answered";

/// What of a run went wrong, from any thread.
class Faults {
  public:
    void add(const std::string& what) {
        const std::scoped_lock guard(lock_);
        if (text_.empty()) {
            text_ = what;
        }
    }
    [[nodiscard]] std::string text() const {
        const std::scoped_lock guard(lock_);
        return text_;
    }

  private:
    mutable std::mutex lock_;
    std::string text_;
};

/// One device of the guest, on a CPU of its own.
struct GuestPart {
    GuestPart(hypervisor::Simulated& its_machine, std::uint32_t its_cpu, std::uint64_t its_address,
              std::uint32_t its_interrupt, std::uint64_t ram_begin)
        : machine(its_machine),
          cpu(its_cpu),
          address(its_address),
          interrupt(its_interrupt),
          mapping(machine.map_ram(ram_begin, half).value()),
          ram(ram_begin, mapping.data(), mapping.size()) {}

    void bring_up(const std::vector<kit::DriverQueue*>& queues) const {
        bool is_well = driver.negotiate(kit::split_features);
        for (std::uint32_t i = 0; i < queues.size(); ++i) {
            is_well = is_well && driver.set_up_queue(i, *queues[i]);
        }
        if (!is_well) {
            throw std::runtime_error("the device refuses its driver");
        }
        driver.start();
    }
    /// As an interrupt handler does, and a driver that looks again after a while does no harm.
    void wait() const {
        if (machine.take_interrupt(zone, interrupt, 2ms)) {
            driver.acknowledge();
            machine.end_interrupt(zone, interrupt);
        }
    }

    hypervisor::Simulated& machine;
    std::uint32_t cpu;
    std::uint64_t address;
    std::uint32_t interrupt;
    Mapping mapping;
    kit::Ram ram;
    kit::MmioDriver driver{[this](std::uint64_t offset, unsigned size) {
                               const auto value = machine.guest_read(cpu, address + offset, size);
                               if (!value) {
                                   throw std::runtime_error(not_answered);
                               }
                               return *value;
                           },
                           [this](std::uint64_t offset, unsigned size, std::uint64_t value) {
                               if (!machine.guest_write(cpu, address + offset, size, value)) {
                                   throw std::runtime_error(not_answered);
                               }
                           }};
};

/// Writes blocks of its disk and reads them back, some at a time; each block has the number of
/// its latest write in all its words.
class DiskGuest {
  public:
    DiskGuest(hypervisor::Simulated& machine, Faults& faults)
        : part_(machine, 2, 0xa003c00, 78, ram_address), faults_(faults) {
        for (auto& slot : slots_) {
            slot.header = part_.ram.allocate(sizeof(RequestHeader), 16);
            slot.data = part_.ram.allocate(block, 16);
            slot.status = part_.ram.allocate(1);
        }
    }

    void bring_up() { part_.bring_up({&queue_}); }

    void run(const std::stop_token& stopped) {
        std::minstd_rand chance(1);
        auto latest = Clock::now();
        while (!stopped.stop_requested() || busy_ != 0) {
            for (auto& slot : slots_) {
                if (!slot.is_busy && !stopped.stop_requested()) {
                    submit(slot, chance);
                }
            }
            if (queue_.needs_kick()) {
                part_.driver.kick(0);
            }
            part_.wait();
            while (const auto used = queue_.take_used()) {
                finish(*used);
                latest = Clock::now();
            }
            if (Clock::now() - latest > 20s) {
                faults_.add("the disk answers no more");
                return;
            }
        }
    }

    [[nodiscard]] std::uint64_t answered() const { return answered_; }

  private:
    static constexpr std::uint32_t block = 4096;
    static constexpr std::size_t blocks = 256; // of the image
    struct Slot {
        std::uint64_t header = 0;
        std::uint64_t data = 0;
        std::uint64_t status = 0;
        std::uint16_t head = 0;
        std::size_t number = 0;
        bool is_busy = false;
        bool is_write = false;
    };

    void submit(Slot& slot, std::minstd_rand& chance) {
        do {
            slot.number = chance() % blocks;
        } while (in_use_.at(slot.number));
        in_use_.at(slot.number) = true;
        slot.is_write = chance() % 2 == 0;
        slot.is_busy = true;
        ++busy_;
        if (slot.is_write) {
            ++written_.at(slot.number);
        }
        const devices::block::RequestHeader header{
            .type = std::to_underlying(slot.is_write ? RequestType::out : RequestType::in),
            .reserved = 0,
            .sector = slot.number * (block / 512)};
        part_.ram.write(slot.header, std::as_bytes(std::span(&header, 1)));
        auto* words = reinterpret_cast<std::uint64_t*>(part_.ram.at(slot.data));
        std::fill_n(words, block / sizeof *words, slot.is_write ? word_of(slot.number) : 0);
        *part_.ram.at(slot.status) = std::byte{0xff};
        const std::uint16_t to_guest = slot.is_write ? 0 : kit::desc_write;
        const std::array chain{
            kit::Descriptor{.address = slot.header, .length = sizeof header},
            kit::Descriptor{.address = slot.data, .length = block, .flags = to_guest},
            kit::Descriptor{.address = slot.status, .length = 1, .flags = kit::desc_write}};
        slot.head = queue_.add(chain);
    }

    void finish(const kit::DriverQueue::Used& used) {
        const auto slot = std::ranges::find_if(
            slots_, [&](const Slot& each) { return each.is_busy && each.head == used.head; });
        if (slot == slots_.end()) {
            faults_.add("a request came back twice");
            return;
        }
        slot->is_busy = false;
        --busy_;
        in_use_.at(slot->number) = false;
        ++answered_;
        if (*part_.ram.at(slot->status) != std::byte{0}) {
            faults_.add("a request failed");
        }
        const auto* words = reinterpret_cast<const std::uint64_t*>(part_.ram.at(slot->data));
        if (!std::ranges::all_of(std::span(words, block / sizeof *words),
                                 [&](std::uint64_t word) { return word == word_of(slot->number); })) {
            faults_.add("a block is another than was written");
        }
    }

    /// 0 for a block that was never written.
    [[nodiscard]] std::uint64_t word_of(std::size_t number) const {
        return written_.at(number) == 0 ? 0 : std::uint64_t{written_.at(number)} << 32 | number;
    }

    GuestPart part_;
    Faults& faults_;
    kit::SplitQueue queue_{part_.ram, 64, true};
    std::array<Slot, 8> slots_{};
    std::array<bool, blocks> in_use_{};
    std::array<std::uint32_t, blocks> written_{};
    std::size_t busy_ = 0;
    std::atomic<std::uint64_t> answered_{0};
};

/// Prints numbers, a line each, on its console.
class ConsoleGuest {
  public:
    ConsoleGuest(hypervisor::Simulated& machine, Faults& faults)
        : part_(machine, 3, 0xa003800, 76, ram_address + half), faults_(faults) {}

    void bring_up() { part_.bring_up({&receive_, &transmit_}); }

    void run(const std::stop_token& stopped) {
        const auto line = part_.ram.allocate(line_size);
        while (!stopped.stop_requested()) {
            const auto text = std::format("{:07}\n", printed_.load());
            part_.ram.write(line, std::as_bytes(std::span(text)));
            const std::array chain{kit::Descriptor{.address = line, .length = line_size}};
            static_cast<void>(transmit_.add(chain));
            if (transmit_.needs_kick()) {
                part_.driver.kick(1);
            }
            const auto end = Clock::now() + 20s;
            while (!transmit_.take_used()) {
                part_.wait();
                if (Clock::now() > end) {
                    faults_.add("the console takes nothing more");
                    return;
                }
            }
            ++printed_;
            std::this_thread::sleep_for(50us);
        }
    }

    static constexpr std::uint32_t line_size = 8;
    [[nodiscard]] std::uint64_t printed() const { return printed_; }

  private:
    GuestPart part_;
    Faults& faults_;
    kit::SplitQueue receive_{part_.ram, 16, true};
    kit::SplitQueue transmit_{part_.ram, 16, true};
    std::atomic<std::uint64_t> printed_{0};
};

/// Reads what is printed, and how many lines of it were right.
class PtyReader {
  public:
    PtyReader(const std::string& path, Faults& faults)
        : terminal_(::open(path.c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK)), faults_(faults) {
        thread_ = std::jthread([this](const std::stop_token& stopped) { run(stopped); });
    }
    [[nodiscard]] std::uint64_t lines() const { return lines_; }

  private:
    void run(const std::stop_token& stopped) {
        std::string rest;
        std::array<char, 4096> buffer{};
        while (!stopped.stop_requested()) {
            const auto count = ::read(terminal_.get(), buffer.data(), buffer.size());
            if (count <= 0) {
                std::this_thread::sleep_for(1ms);
                continue;
            }
            rest.append(buffer.data(), static_cast<std::size_t>(count));
            for (; rest.size() >= ConsoleGuest::line_size; rest.erase(0, ConsoleGuest::line_size)) {
                const auto line = rest.substr(0, ConsoleGuest::line_size);
                if (line != std::format("{:07}\n", lines_.load())) {
                    faults_.add(std::format("line {} of the console is {}", lines_.load(), line));
                    return;
                }
                ++lines_;
            }
        }
    }

    UniqueFd terminal_;
    Faults& faults_;
    std::atomic<std::uint64_t> lines_{0};
    std::jthread thread_;
};

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

/// A zone works, and meanwhile each of the rounds ends one daemon and begins the next.
template <class Round>
void work(House& house, unsigned rounds, Round round) {
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
    const PtyReader reader(pty.substr(0, pty.find_first_not_of("/devpts0123456789")), faults);
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
    disk_cpu.request_stop();
    console_cpu.request_stop();
    disk_cpu.join();
    console_cpu.join();
    CHECK(eventually([&] { return reader.lines() == console.printed() || !faults.text().empty(); }));
    INFO(house.log());
    CHECK(faults.text() == "");            // NOLINT(readability-container-size-empty): it is to be seen
    CHECK(house.machine.panicked() == ""); // NOLINT(readability-container-size-empty)
    CHECK(open_files(house.manager) <= files);
    CHECK(house.ctl({"zone", "list"}).output.contains("running"));
    CHECK(house.ctl({"zone", "kill", "guest1"}).status == 0);
    CHECK(house.manager.end(SIGTERM) == 0);
}

TEST_CASE("a zone notices no restart and no kill", "[successor]") {
    House house(true);
    work(house, 30, [&](unsigned number) {
        const bool is_killed = number % 2 != 0;
        CHECK(house.manager.end(is_killed ? SIGKILL : SIGTERM) == (is_killed ? SIGKILL : 0));
        house.manager.start();
    });
}

TEST_CASE("where nobody keeps files, hvisord starts itself again", "[successor]") {
    House house(false);
    work(house, 15, [&](unsigned) { house.manager.have_it_start_again(SIGUSR2); });
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
