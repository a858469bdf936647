// SPDX-License-Identifier: Apache-2.0
// What a process has left of a device, with anything in it: the next one lives, answers every
// access, and has a device that works after a reset.
#include "devices/gpu/state.hpp"
#include "base/state_memory.hpp"
#include "counting_log.hpp"
#include "devices/block/device.hpp"
#include "devices/console/device.hpp"
#include "devices/entropy/device.hpp"
#include "devices/gpu/backend_headless.hpp"
#include "devices/gpu/config.hpp"
#include "devices/gpu/device.hpp"
#include "devices/input/device.hpp"
#include "devices/input/models.hpp"
#include "input.hpp"
#include "kit/device_rig.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <span>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace {

using namespace hvisor;
using virtio::DeviceRecord;
using virtio::FeatureBit;
using virtio::FeatureSet;
using virtio::Register;

constexpr std::size_t ram_size = std::size_t{256} << 10;
constexpr std::uint16_t queue_entries = 16;
constexpr std::uint64_t ram_start = 0x40000000;

/// Where a type's structure is.
constexpr std::size_t type = (sizeof(DeviceRecord) + 63) / 64 * 64;

/// Bytes of the record, of queues, and of the type's structure.
void spoil_bytes(fuzz::Input& input, std::span<std::byte> state) {
    for (unsigned n = 0; n < 64 && input.more(); ++n) {
        std::size_t at = 0;
        switch (input.below(5)) {
        case 0:
            at = offsetof(DeviceRecord, registers) + input.below(offsetof(DeviceRecord, config));
            break;
        case 1:
            at = offsetof(DeviceRecord, queues) + input.below(sizeof(virtio::QueueIndices) + 8);
            break;
        case 2:
            at = offsetof(DeviceRecord, queues) + offsetof(virtio::QueueState, held) +
                 input.below(queue_entries * sizeof(virtio::HeldDescriptor));
            break;
        case 3:
            at = type + input.below(2048);
            break;
        default:
            at = input.below(sizeof(DeviceRecord) + 65000);
            break;
        }
        // Of a structure with truth values nobody can have left others.
        const auto value = static_cast<std::byte>(input.take());
        state[at] = at < type ? value : value & std::byte{1};
    }
}

/// Commands of a GPU's driver, most of which can have been sent, and what else it has.
void spoil_gpu(fuzz::Input& input, std::span<std::byte> memory) {
    using namespace devices::gpu;
    auto& state = *reinterpret_cast<GpuState*>(memory.data() + type);
    static constexpr std::array commands{Command::resource_create_2d,      Command::resource_create_blob,
                                         Command::resource_attach_backing, Command::resource_attach_backing,
                                         Command::resource_detach_backing, Command::resource_unref,
                                         Command::resource_assign_uuid,    Command::set_scanout,
                                         Command::set_scanout_blob};
    const auto which = input.below(2);
    auto& records = state.journal.areas.at(which).records;
    std::size_t used = 0;
    for (unsigned n = 0; n < 24 && input.more(); ++n) {
        // Words as they lie in a command: ids and sides are small numbers, addresses are the zone's.
        std::array<std::uint32_t, 6 + 24> words{};
        const auto count = 2 + input.below(words.size() - 8);
        words[0] = 4 * (6 + count + count % 2);
        words[1] = input.rarely() ? input.take<std::uint32_t>()
                                  : std::to_underlying(commands.at(input.below(commands.size())));
        words[2] = input.rarely() ? input.take<std::uint32_t>() : 0;
        words[4] = input.rarely() ? input.take<std::uint32_t>() : 4 * count;
        for (std::uint32_t i = 0; i < count; ++i) {
            const auto kind = input.below(8);
            words.at(6 + i) = kind == 0 ? input.take<std::uint32_t>()
                              : kind == 1
                                  ? static_cast<std::uint32_t>(ram_start) + input.take<std::uint16_t>()
                              : kind == 2 ? 4096U
                                          : input.below(8);
        }
        std::ranges::copy(std::as_bytes(std::span(words)).first(words[0]), records.begin() + used);
        used += words[0];
    }
    state.journal.end.set(input.rarely() ? input.take<std::uint64_t>() : used | which);
    state.journal.is_lost.set(input.rarely() ? 1 : 0);
    for (auto& scanout : std::span(state.scanouts).first(2)) {
        scanout.preferred.set(input.take<std::uint64_t>());
        scanout.position.set(input.take<std::uint64_t>());
        scanout.cursor.set(input.below(4));
    }
    state.cursors.front().cursors.front().back() = static_cast<std::byte>(input.take());
    if (input.rarely()) {
        spoil_bytes(input, memory);
    }
}

/// A driver's own view of the device, as far as any device has it.
template <class Device, class Make>
void run(fuzz::Input& input, Make make, void (*spoil)(fuzz::Input&, std::span<std::byte>) = spoil_bytes,
         FeatureSet of_type = {}) {
    kit::DeviceRig<Device, ram_size> rig(make);
    const auto features = FeatureSet{FeatureBit::version_1} | of_type |
                          (input.sometimes() ? FeatureSet{FeatureBit::ring_packed} : FeatureSet{});
    const auto queue = kit::make_queue(features, rig.ram, queue_entries);
    if (input.sometimes() || !rig.driver.negotiate(features)) {
        rig.driver.negotiate({FeatureBit::version_1});
    } else {
        static_cast<void>(rig.driver.set_up_queue(0, *queue));
        rig.driver.start();
        rig.settle();
    }
    // The next process, and what it finds.
    const auto state = StateMemory::of_process(rig.state->bytes().size());
    rig.reactor->call([&] {
        std::ranges::copy(rig.state->bytes().first(StateMemory::default_size), state->bytes().begin());
    });
    rig.device.close();
    rig.device.disconnect();
    spoil(input, state->bytes());
    auto& record = *reinterpret_cast<DeviceRecord*>(state->bytes().data());
    if (!input.rarely()) {
        record.header = rig.device.record().header;
    }
    auto context = rig.context();
    context.state = state;
    Device next(make(std::move(context)));
    virtio::MmioTransport transport(next);
    transport.resume();
    const auto access = [&](std::uint64_t offset, unsigned size, bool is_write, std::uint64_t value) {
        const auto answers = rig.port.answers().size();
        const auto answer = transport.access({.offset = offset,
                                              .value = value,
                                              .cpu = 2,
                                              .size = static_cast<std::uint8_t>(size),
                                              .is_write = is_write,
                                              .needs_answer = true});
        if (!answer) {
            fuzz::expect(rig.port.wait_for_answers(answers + 1), "every access is answered");
        }
        return answer.value_or(0);
    };
    kit::MmioDriver driver(
        [&](std::uint64_t offset, unsigned size) { return access(offset, size, false, 0); },
        [&](std::uint64_t offset, unsigned size, std::uint64_t value) { access(offset, size, true, value); });
    rig.settle();
    driver.kick(0);
    rig.settle();
    static_cast<void>(next.interrupt().unacknowledged(virtio::Interrupt::Clock::now()));
    driver.write(std::to_underlying(Register::status), 4, 0);
    fuzz::expect(driver.get(Register::status) == 0, "a reset ends");
    fuzz::expect(driver.negotiate({FeatureBit::version_1}), "after a reset the device works");
    next.close();
}

UniqueFd image() {
    UniqueFd file(::memfd_create("image", MFD_CLOEXEC));
    fuzz::expect(::ftruncate(file.get(), 1 << 20) == 0, "there is memory");
    return file;
}

/// Somebody who is attached by whatever name the state has for it; `theirs` is the other end.
devices::console::Remains::Client attached(const devices::console::ClientPosition& place, UniqueFd& theirs) {
    std::array<int, 2> ends{};
    fuzz::expect(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) == 0,
                 "there are sockets");
    theirs.reset(ends[1]);
    return {.port = 0, .client = std::max<std::uint64_t>(place.client.get(), 1), .stream = UniqueFd(ends[0])};
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::Input input(data, size);
    using virtio::DeviceContext;
    switch (input.below(5)) {
    case 0: {
        const auto file = image();
        run<devices::block::BlockDevice>(input, [&](DeviceContext context) {
            return devices::block::BlockDevice(
                std::move(context),
                std::move(*devices::block::FileBackend::open(UniqueFd(::dup(file.get())), {.path = "image"})),
                {});
        });
        break;
    }
    case 1: {
        using namespace devices::console;
        UniqueFd client;
        run<ConsoleDevice>(input, [&client](DeviceContext context) {
            const auto& state = *reinterpret_cast<ConsoleState*>(context.state->bytes().data() + type);
            Remains remains;
            remains.clients.push_back(attached(state.ports.front().clients.front(), client));
            return ConsoleDevice(std::move(context), {{.name = "second", .is_console = true}}, false,
                                 std::move(remains));
        });
        break;
    }
    case 2:
        run<devices::entropy::EntropyDevice>(input, [](DeviceContext context) {
            return devices::entropy::EntropyDevice(std::move(context), devices::entropy::kernel_random, {});
        });
        break;
    case 3: {
        using namespace devices::gpu;
        const auto make = [](DeviceContext context) {
            std::vector<std::unique_ptr<Screen>> screens;
            for (int i = 0; i < 2; ++i) {
                screens.push_back(
                    std::make_unique<HeadlessScreen>(context.owner, Size{.width = 32, .height = 32}, 0));
            }
            return GpuDevice(std::move(context), std::move(screens),
                             {.resources = 6, .memory = std::uint64_t{1} << 20});
        };
        run<GpuDevice>(input, make, spoil_gpu, {f_edid, f_resource_uuid, f_resource_blob});
        break;
    }
    default:
        run<devices::input::InputDevice>(input, [](DeviceContext context) {
            return devices::input::InputDevice(std::move(context), devices::input::keyboard(), "keyboard");
        });
        break;
    }
    return 0;
}
