// SPDX-License-Identifier: Apache-2.0
// What a process has left of a device, with anything in it: the next one lives, answers every
// access, and has a device that works after a reset.
#include "base/state_memory.hpp"
#include "counting_log.hpp"
#include "devices/block/device.hpp"
#include "devices/console/device.hpp"
#include "devices/entropy/device.hpp"
#include "devices/input/device.hpp"
#include "devices/input/models.hpp"
#include "input.hpp"
#include "kit/device_rig.hpp"

#include <cstring>
#include <sys/mman.h>
#include <unistd.h>

namespace {

using namespace hvisor;
using virtio::DeviceRecord;
using virtio::FeatureBit;
using virtio::FeatureSet;
using virtio::Register;

constexpr std::size_t ram_size = std::size_t{256} << 10;
constexpr std::uint16_t queue_entries = 16;

/// A driver's own view of the device, as far as any device has it.
template <class Device, class Make>
void run(fuzz::Input& input, Make make) {
    kit::DeviceRig<Device, ram_size> rig(make);
    const auto features = input.sometimes() ? FeatureSet{FeatureBit::version_1, FeatureBit::ring_packed}
                                            : FeatureSet{FeatureBit::version_1};
    const auto queue = kit::make_queue(features, rig.ram, queue_entries);
    if (input.sometimes() || !rig.driver.negotiate(features)) {
        rig.driver.negotiate({FeatureBit::version_1});
    } else {
        static_cast<void>(rig.driver.set_up_queue(0, *queue));
        rig.driver.start();
        rig.settle();
    }
    // The next process, and what it finds.
    const auto state = StateMemory::of_process();
    rig.reactor->call([&] { std::ranges::copy(rig.state->bytes(), state->bytes().begin()); });
    rig.device.close();
    rig.device.disconnect();
    auto& record = *reinterpret_cast<DeviceRecord*>(state->bytes().data());
    const auto type = sizeof(DeviceRecord) / 64 * 64 + 64;
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
        state->bytes()[at] = at < type ? value : value & std::byte{1};
    }
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

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::Input input(data, size);
    using virtio::DeviceContext;
    switch (input.below(4)) {
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
    case 1:
        run<devices::console::ConsoleDevice>(input, [](DeviceContext context) {
            return devices::console::ConsoleDevice(std::move(context),
                                                   {{.name = "second", .is_console = true}});
        });
        break;
    case 2:
        run<devices::entropy::EntropyDevice>(input, [](DeviceContext context) {
            return devices::entropy::EntropyDevice(std::move(context), devices::entropy::kernel_random, {});
        });
        break;
    default:
        run<devices::input::InputDevice>(input, [](DeviceContext context) {
            return devices::input::InputDevice(std::move(context), devices::input::keyboard(), "keyboard");
        });
        break;
    }
    return 0;
}
