// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/reactor.hpp"
#include "kit/fake_port.hpp"
#include "kit/mmio_driver.hpp"
#include "kit/packed_queue.hpp"
#include "kit/ram.hpp"
#include "kit/split_queue.hpp"
#include "kit/wait.hpp"
#include "virtio/device.hpp"
#include "virtio/mmio_transport.hpp"

#include <concepts>
#include <memory>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

namespace hvisor::kit {

/// One device with its registers, its thread and its guest RAM, and a driver
/// that reaches the registers directly, as a guest CPU that waits for answers.
template <class Device, std::size_t ram_size = (std::size_t{16} << 20)>
struct DeviceRig {
    static constexpr std::uint64_t ram_address = 0x40000000;

    /// `arguments` are those of the device's constructor behind the context.
    template <class... Arguments>
    explicit DeviceRig(Arguments&&... arguments) : device(context(), std::forward<Arguments>(arguments)...) {}
    /// For a device that needs more of its context than the constructor takes.
    template <class Make>
        requires std::same_as<std::invoke_result_t<Make, virtio::DeviceContext>, Device>
    explicit DeviceRig(Make&& make) : device(std::forward<Make>(make)(context())) {}
    DeviceRig(const DeviceRig&) = delete;
    DeviceRig& operator=(const DeviceRig&) = delete;
    DeviceRig(DeviceRig&&) = delete;
    DeviceRig& operator=(DeviceRig&&) = delete;
    ~DeviceRig() { device.close(); }

    virtio::DeviceContext context() {
        return {.zone = 1,
                .zone_name = "linux2",
                .id = "test-1000",
                .interrupt = 78,
                .memory = memory,
                .port = port,
                .owner = *reactor,
                .state = state};
    }

    std::shared_ptr<const guest::GuestMemory> make_memory() {
        std::vector<guest::Region> regions;
        regions.push_back(ram.region());
        return std::make_shared<const guest::GuestMemory>(*guest::GuestMemory::create(std::move(regions)));
    }

    static std::shared_ptr<const StateMemory> make_state() {
        if constexpr (requires { Device::memory_size; }) {
            return StateMemory::of_process(Device::memory_size);
        } else {
            return StateMemory::of_process();
        }
    }

    std::uint64_t access(std::uint64_t offset, unsigned size, bool is_write, std::uint64_t value) {
        const auto answers = port.answers().size();
        const auto result = start_access(offset, size, is_write, value);
        if (result) {
            return *result;
        }
        if (!port.wait_for_answers(answers + 1)) {
            throw std::runtime_error("an access was never answered");
        }
        return port.answers().back().second;
    }
    /// The same without waiting for a late answer.
    std::optional<std::uint64_t> start_access(std::uint64_t offset, unsigned size, bool is_write,
                                              std::uint64_t value) {
        return transport.access({.offset = offset,
                                 .value = value,
                                 .cpu = 2,
                                 .size = static_cast<std::uint8_t>(size),
                                 .is_write = is_write,
                                 .needs_answer = true});
    }

    /// Negotiate, set up the queues from number 0 on, and start.
    void bring_up(const std::vector<const DriverQueue*>& queues,
                  virtio::FeatureSet features = {virtio::FeatureBit::version_1}) const {
        if (!driver.negotiate(features)) {
            throw std::runtime_error("the device refused the features");
        }
        for (std::uint32_t i = 0; i < queues.size(); ++i) {
            if (!driver.set_up_queue(i, *queues[i])) {
                throw std::runtime_error("the device refused a queue");
            }
        }
        driver.start();
    }
    void bring_up(const DriverQueue& queue,
                  virtio::FeatureSet features = {virtio::FeatureBit::version_1}) const {
        bring_up(std::vector<const DriverQueue*>{&queue}, features);
    }

    [[nodiscard]] bool needs_reset() const {
        return (driver.get(virtio::Register::status) & virtio::status::needs_reset) != 0;
    }
    /// Until the owner has done what was asked of it so far.
    void settle() const {
        // Tasks come before wakers in a round of the reactor, so a kick is
        // served for sure when the next round has begun.
        reactor->call([] {});
        reactor->call([] {});
    }

    Ram ram{ram_address, ram_size};
    FakePort port;
    std::unique_ptr<Reactor> reactor = *Reactor::start({.name = "test", .cpus = {}, .on_crash = {}});
    std::shared_ptr<const guest::GuestMemory> memory = make_memory();
    std::shared_ptr<const StateMemory> state = make_state();
    Device device;
    virtio::MmioTransport transport{device};
    MmioDriver driver{[this](std::uint64_t offset, unsigned size) { return access(offset, size, false, 0); },
                      [this](std::uint64_t offset, unsigned size, std::uint64_t value) {
                          access(offset, size, true, value);
                      }};
};

} // namespace hvisor::kit
