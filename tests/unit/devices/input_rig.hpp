// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "devices/input/config.hpp"
#include "devices/input/device.hpp"
#include "devices/input/models.hpp"
#include "kit/device_rig.hpp"

#include <bit>
#include <catch2/catch_test_macros.hpp>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace hvisor::devices::input {

[[nodiscard]] inline Event key(std::uint16_t code, std::int32_t value) {
    return {.type = EventType::key, .code = code, .value = value};
}
[[nodiscard]] inline Event axis(std::uint16_t code, std::int32_t value) {
    return {.type = EventType::absolute, .code = code, .value = value};
}
[[nodiscard]] inline Event step(std::uint16_t code, std::int32_t value) {
    return {.type = EventType::relative, .code = code, .value = value};
}

using Events = std::vector<Event>;

/// A Linux virtio_input driver: its buffers hold an event each.
struct InputRig : kit::DeviceRig<InputDevice> {
    explicit InputRig(Capabilities capabilities = keyboard(), std::unique_ptr<Backend> backend = nullptr,
                      virtio::FeatureSet features = {virtio::FeatureBit::version_1})
        : DeviceRig(std::move(capabilities), std::string("keyboard"), std::move(backend)),
          events(kit::make_queue(features, ram, 64)),
          status(kit::make_queue(features, ram, 16)) {
        start(features);
    }

    /// A driver that the device knows of.
    void start(virtio::FeatureSet features = {virtio::FeatureBit::version_1}) const {
        bring_up({events.get(), status.get()}, features);
        settle();
    }

    void give_buffers(unsigned count, std::uint32_t size = sizeof(WireEvent)) {
        for (; count > 0; --count) {
            kit::ChainBuilder chain(*events);
            chain.writable(size);
            const auto head = chain.add();
            buffers.erase(head);
            buffers.emplace(head, std::move(chain));
        }
        driver.kick(event_queue);
    }

    /// What came back so far.
    Events taken() {
        settle();
        Events all;
        while (const auto used = events->take_used()) {
            CHECK(used->length == sizeof(WireEvent));
            const auto bytes = buffers.at(used->head).written(0);
            WireEvent wire;
            REQUIRE(bytes.size() >= sizeof wire);
            std::memcpy(&wire, bytes.data(), sizeof wire);
            all.push_back({.type = static_cast<EventType>(wire.type),
                           .code = wire.code,
                           .value = std::bit_cast<std::int32_t>(wire.value)});
        }
        driver.acknowledge();
        return all;
    }
    /// The same until there are so many.
    Events take(std::size_t count) {
        Events all;
        CHECK(kit::eventually([&] {
            for (const auto& event : taken()) {
                all.push_back(event);
            }
            return all.size() >= count;
        }));
        return all;
    }

    void put(const Events& group) { device.put(group); }

    void send_status(const WireEvent& event) {
        kit::ChainBuilder chain(*status);
        chain.readable_value(event);
        chain.add();
        driver.kick(status_queue);
        REQUIRE(kit::eventually([&] { return status->take_used().has_value(); }));
    }

    /// What the configuration space says to this question.
    [[nodiscard]] std::vector<std::byte> ask(Select select, std::uint8_t subsel = 0) const {
        driver.write(0x100, 1, std::to_underlying(select));
        driver.write(0x101, 1, subsel);
        const auto size = driver.config<std::uint8_t>(offsetof(Config, size));
        std::vector<std::byte> bytes;
        for (std::uint64_t i = 0; i < size; ++i) {
            bytes.push_back(driver.config<std::byte>(offsetof(Config, answer) + i));
        }
        return bytes;
    }
    [[nodiscard]] std::string text(Select select) const { return kit::to_text(ask(select)); }

    std::unique_ptr<kit::DriverQueue> events;
    std::unique_ptr<kit::DriverQueue> status;
    std::map<std::uint16_t, kit::ChainBuilder> buffers;
};

/// Whether bit `number` of a bitmap that was asked for is set.
[[nodiscard]] inline bool has_bit(const std::vector<std::byte>& bits, std::size_t number) {
    return number / 8 < bits.size() && (bits[number / 8] & std::byte{1} << (number % 8)) != std::byte{0};
}

} // namespace hvisor::devices::input
