// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kit/driver_queue.hpp"
#include "virtio/features.hpp"
#include "virtio/registers.hpp"

#include <cstdint>
#include <functional>
#include <utility>

namespace hvisor::kit {

/// A virtio-mmio driver (virtio 1.2, 4.2.3) over any way to reach registers:
/// a transport called directly, or a CPU of a Simulated hypervisor.
class MmioDriver {
  public:
    using Read = std::function<std::uint64_t(std::uint64_t offset, unsigned size)>;
    using Write = std::function<void(std::uint64_t offset, unsigned size, std::uint64_t value)>;

    MmioDriver(Read read, Write write) : read_(std::move(read)), write_(std::move(write)) {}

    [[nodiscard]] std::uint32_t get(virtio::Register which) const {
        return static_cast<std::uint32_t>(read_(std::to_underlying(which), 4));
    }
    void set(virtio::Register which, std::uint32_t value) const {
        write_(std::to_underlying(which), 4, value);
    }
    template <class T>
    [[nodiscard]] T config(std::uint64_t offset) const {
        return static_cast<T>(read_(std::to_underlying(virtio::Register::config) + offset, sizeof(T)));
    }
    [[nodiscard]] std::uint64_t read(std::uint64_t offset, unsigned size) const {
        return read_(offset, size);
    }
    void write(std::uint64_t offset, unsigned size, std::uint64_t value) const {
        write_(offset, size, value);
    }

    [[nodiscard]] virtio::FeatureSet offered() const {
        virtio::FeatureSet features;
        for (std::uint32_t word = 0; word < 2; ++word) {
            set(virtio::Register::device_features_sel, word);
            features.set_word(word, get(virtio::Register::device_features));
        }
        return features;
    }
    void accept(virtio::FeatureSet features) const {
        for (std::uint32_t word = 0; word < 2; ++word) {
            set(virtio::Register::driver_features_sel, word);
            set(virtio::Register::driver_features, features.word(word));
        }
    }
    void add_status(std::uint32_t bits) const {
        set(virtio::Register::status, get(virtio::Register::status) | bits);
    }
    void reset() const { set(virtio::Register::status, 0); }

    /// Reset, then everything up to FEATURES_OK; false when the device refused.
    [[nodiscard]] bool negotiate(virtio::FeatureSet features) const {
        reset();
        add_status(virtio::status::acknowledge);
        add_status(virtio::status::driver);
        accept(features);
        add_status(virtio::status::features_ok);
        return (get(virtio::Register::status) & virtio::status::features_ok) != 0;
    }
    void write_queue(std::uint32_t index, std::uint32_t size, std::uint64_t descriptors, std::uint64_t avail,
                     std::uint64_t used) const {
        using enum virtio::Register;
        set(queue_sel, index);
        set(queue_num, size);
        set_address(queue_desc_low, queue_desc_high, descriptors);
        set_address(queue_driver_low, queue_driver_high, avail);
        set_address(queue_device_low, queue_device_high, used);
    }
    /// Returns whether the device took it.
    [[nodiscard]] bool set_up_queue(std::uint32_t index, const DriverQueue& queue) const {
        write_queue(index, queue.size(), queue.descriptors(), queue.driver_area(), queue.device_area());
        set(virtio::Register::queue_ready, 1);
        return get(virtio::Register::queue_ready) == 1;
    }
    void start() const { add_status(virtio::status::driver_ok); }
    void kick(std::uint32_t queue) const { set(virtio::Register::queue_notify, queue); }

    /// What an interrupt handler does first; returns InterruptStatus.
    std::uint32_t acknowledge() const { // NOLINT(modernize-use-nodiscard): most handlers only acknowledge
        const auto status = get(virtio::Register::interrupt_status);
        if (status != 0) {
            set(virtio::Register::interrupt_ack, status);
        }
        return status;
    }

  private:
    void set_address(virtio::Register low, virtio::Register high, std::uint64_t address) const {
        set(low, static_cast<std::uint32_t>(address));
        set(high, static_cast<std::uint32_t>(address >> 32));
    }

    Read read_;
    Write write_;
};

} // namespace hvisor::kit
