// SPDX-License-Identifier: Apache-2.0
// A GPU device whose process is killed, for real and anywhere, and continued by the next one.
#include "base/state_memory.hpp"
#include "gpu_rig.hpp"
#include "kit/sanitizer.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <random>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace gpu_killed_test {

using namespace hvisor;
using namespace hvisor::devices::gpu;

namespace {

constexpr unsigned kills = 40;
/// Under ASan, beside compilers.
constexpr std::chrono::seconds start_time{60};
constexpr Size size{.width = 32, .height = 32};
constexpr std::size_t picture_bytes = bytes_per_pixel * 32 * 32;
constexpr std::uint16_t entries = 64;
constexpr std::size_t most_out = entries / 2;

/// What all processes see: the guest's memory and the device's state.
struct SharedGuest {
    StateMemory ram_memory = *StateMemory::create("guest");
    StateMemory state_memory = *StateMemory::create("gpu", GpuDevice::memory_size);
    kit::Ram ram{0x40000000, ram_memory.bytes().data(), ram_memory.bytes().size() - 1};
    /// For a process to say that it serves.
    std::byte& flag = ram_memory.bytes().back();
};

/// One process's device.
struct Served {
    explicit Served(SharedGuest& guest)
        : device({.zone = 1,
                  .zone_name = "linux2",
                  .id = "gpu-1000",
                  .interrupt = 78,
                  .memory = make_memory(guest.ram),
                  .port = port,
                  .owner = *reactor,
                  .state = std::make_shared<const StateMemory>(*StateMemory::open(
                      UniqueFd(::dup(guest.state_memory.fd())), "gpu", GpuDevice::memory_size))},
                 GpuRig::make_screens(*reactor, {.screens = {size}, .refresh = 500'000}),
                 // So little that there is no room all the time.
                 {.journal = 1600}) {
        transport.resume();
    }
    static std::shared_ptr<const guest::GuestMemory> make_memory(const kit::Ram& ram) {
        std::vector<guest::Region> regions;
        regions.push_back(ram.region());
        return std::make_shared<const guest::GuestMemory>(*guest::GuestMemory::create(std::move(regions)));
    }
    std::uint64_t access(std::uint64_t offset, unsigned width, bool is_write, std::uint64_t value) {
        return transport
            .access({.offset = offset,
                     .value = value,
                     .cpu = 2,
                     .size = static_cast<std::uint8_t>(width),
                     .is_write = is_write,
                     .needs_answer = false})
            .value_or(0);
    }

    kit::FakePort port;
    std::unique_ptr<Reactor> reactor = *Reactor::start({.name = "test", .cpus = {}, .on_crash = {}});
    GpuDevice device;
    virtio::MmioTransport transport{device};
    kit::MmioDriver driver{
        [this](std::uint64_t offset, unsigned width) { return access(offset, width, false, 0); },
        [this](std::uint64_t offset, unsigned width, std::uint64_t value) {
            access(offset, width, true, value);
        }};
};

/// The device's process: serves for ever.
[[noreturn]] void serve(SharedGuest& guest, const kit::DriverQueue& queue, bool is_first) {
    Served served(guest);
    if (is_first) {
        if (!served.driver.negotiate({virtio::FeatureBit::version_1}) ||
            !served.driver.set_up_queue(control_queue, queue)) {
            ::_exit(2);
        }
        served.driver.start();
    }
    guest.flag = std::byte{1};
    for (;;) {
        served.device.kick(control_queue);
        std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
}

/// A driver that waits for no answer, and sends nothing that can be refused.
class Driver {
  public:
    explicit Driver(SharedGuest& guest) : guest_(guest), queue(guest.ram, entries) {
        for (std::size_t i = 0; i < most_out; ++i) {
            slots_.push_back(guest_.ram.allocate(slot_bytes));
        }
        for (std::size_t i = 0; i < places_.size(); ++i) {
            places_.at(i) = guest_.ram.store_bytes(
                encode(pattern(size, static_cast<std::uint32_t>(i)), Format::b8g8r8x8_unorm));
        }
    }

    void send_one() {
        if (slots_.empty()) {
            return;
        }
        const auto number = random_() % places_.size();
        const auto id = static_cast<std::uint32_t>(number + 1);
        auto& stage = stages_.at(number);
        if (stage == Stage::absent) {
            send(
                Command::resource_create_2d,
                ResourceCreate2d{.resource_id = id, .format = 2, .width = size.width, .height = size.height});
            stage = Stage::created;
        } else if (stage == Stage::created) {
            send(Command::resource_attach_backing, AttachBacking{.resource_id = id, .nr_entries = 1},
                 std::vector{MemoryEntry{.addr = places_.at(number), .length = picture_bytes, .padding = 0}});
            stage = Stage::attached;
        } else {
            use(id, stage);
        }
    }
    void take() {
        while (const auto used = queue.take_used()) {
            const auto slot = out_.extract(used->head);
            REQUIRE(slot); // it was out, and is not any more
            Header answer{};
            std::memcpy(&answer, guest_.ram.at(slot.mapped() + slot_bytes / 2), sizeof answer);
            REQUIRE(answer.type == std::to_underlying(Response::ok_nodata));
            slots_.push_back(slot.mapped());
            ++returned;
        }
    }
    [[nodiscard]] bool is_idle() const { return out_.empty(); }

    /// What is to be seen once all has been carried out; nothing when the screen is off.
    [[nodiscard]] std::optional<Bitmap> picture() const {
        if (shown_ == 0) {
            return std::nullopt;
        }
        return stages_.at(shown_ - 1) == Stage::attached ? pattern(size, shown_ - 1)
                                                         : Bitmap(size, 0xff000000);
    }

  private:
    enum class Stage { absent, created, attached };
    static constexpr std::size_t slot_bytes = 256;

    void use(std::uint32_t id, Stage& stage) {
        switch (random_() % 6) {
        case 0:
            send(Command::resource_unref, ResourceOnly{.resource_id = id, .padding = 0});
            stage = Stage::absent;
            shown_ = shown_ == id ? 0 : shown_;
            break;
        case 1:
            send(Command::resource_detach_backing, ResourceOnly{.resource_id = id, .padding = 0});
            stage = Stage::created;
            break;
        case 2:
            send(Command::transfer_to_host_2d,
                 TransferToHost2d{
                     .r = to_guest(Rect::of(size)), .offset = 0, .resource_id = id, .padding = 0});
            break;
        case 3:
            send(Command::resource_flush, GpuRig::flush_of(id, Rect::of(size)));
            break;
        default:
            send(Command::set_scanout,
                 SetScanout{.r = to_guest(Rect::of(size)), .scanout_id = 0, .resource_id = id});
            shown_ = id;
            break;
        }
    }
    /// With a fence, which waits for the frames of all before it.
    template <class... Parts>
    void send(Command type, const Parts&... parts) {
        const auto slot = slots_.back();
        slots_.pop_back();
        const auto bytes = GpuRig::fenced_request(type, returned, parts...);
        guest_.ram.write(slot, bytes);
        const auto head = queue.add(std::array{
            kit::Descriptor{
                .address = slot, .length = static_cast<std::uint32_t>(bytes.size()), .flags = 0, .next = 0},
            kit::Descriptor{.address = slot + slot_bytes / 2,
                            .length = sizeof(Header),
                            .flags = kit::desc_write,
                            .next = 0}});
        out_.emplace(head, slot);
    }

    SharedGuest& guest_;
    std::mt19937 random_{3};
    std::vector<std::uint64_t> slots_; ///< of memory for commands
    std::map<std::uint16_t, std::uint64_t> out_;
    std::array<std::uint64_t, 6> places_{}; ///< of the pictures
    std::array<Stage, 6> stages_{};
    std::uint32_t shown_ = 0;

  public:
    kit::SplitQueue queue;
    std::size_t returned = 0;
};

/// Killed when it is destroyed.
class Process {
  public:
    Process(SharedGuest& guest, const kit::DriverQueue& queue, bool is_first) : child_(::fork()) {
        REQUIRE(child_ >= 0);
        if (child_ == 0) {
            serve(guest, queue, is_first);
        }
    }
    Process(const Process&) = delete;
    Process& operator=(const Process&) = delete;
    Process(Process&&) = delete;
    Process& operator=(Process&&) = delete;
    ~Process() {
        ::kill(child_, SIGKILL);
        int status = 0;
        CHECK(::waitpid(child_, &status, 0) == child_);
        CHECK(WIFSIGNALED(status));
    }

  private:
    pid_t child_;
};

template <class Until>
void run_process(SharedGuest& guest, Driver& driver, bool is_first, Until until) {
    guest.flag = std::byte{0};
    const Process process(guest, driver.queue, is_first);
    CHECK(kit::eventually(
        [&] {
            std::atomic_signal_fence(std::memory_order_seq_cst);
            return guest.flag == std::byte{1};
        },
        start_time));
    until();
}

} // namespace

TEST_CASE("gpu: killed at any moment it carries out each command once, and shows what was to be seen") {
    if (kit::has_thread_sanitizer) {
        SKIP("ThreadSanitizer lets a child of a process with threads start none");
    }
    SharedGuest guest;
    Driver driver(guest);
    std::mt19937 random(1);
    for (unsigned round = 0; round < kills; ++round) {
        run_process(guest, driver, round == 0, [&] {
            const auto end = std::chrono::steady_clock::now() + std::chrono::microseconds(random() % 20000);
            do {
                driver.send_one();
                driver.take();
            } while (std::chrono::steady_clock::now() < end);
        });
    }
    // One is let alone until everything is back.
    run_process(guest, driver, false, [&] {
        CHECK(kit::eventually([&] {
            driver.take();
            return driver.is_idle();
        }));
    });
    CHECK(driver.returned > kills);
    Served last(guest);
    last.reactor->call([] {});
    CHECK((last.driver.get(virtio::Register::status) & virtio::status::needs_reset) == 0);
    const auto expected = driver.picture();
    CHECK(last.device.scanouts().front().is_on == expected.has_value());
    if (expected) {
        const auto shot = last.device.take_screenshot(0, false);
        REQUIRE(shot);
        CHECK(decode(*shot) == *expected);
    }
    last.device.close();
}

} // namespace gpu_killed_test
