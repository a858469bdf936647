// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kit/device_rig.hpp"
#include "virtio/device.hpp"

#include <catch2/catch_test_macros.hpp>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

namespace hvisor::virtio {

inline constexpr auto f_test = FeatureBit{3};
inline constexpr std::uint32_t test_device_id = 42;
inline constexpr std::uint16_t test_queue_size = 16;

/// Answers each request with "pong" and remembers what it read.
class TestDevice final : public Device {
  public:
    explicit TestDevice(DeviceContext context)
        : Device(std::move(context), {.device_id = test_device_id,
                                      .features = {f_test},
                                      .queue_sizes = {test_queue_size, test_queue_size},
                                      .config = kit::to_bytes("configuration")}) {}

    [[nodiscard]] std::string_view type_name() const override { return "test"; }
    [[nodiscard]] std::string backend_name() const override { return "nothing"; }

    [[nodiscard]] std::vector<std::string> requests() const {
        const std::scoped_lock guard(lock_);
        return requests_;
    }
    /// Runs on the owner in the middle of each request.
    void in_request(std::function<void()> hook) {
        owner().call([&] { hook_ = std::move(hook); });
    }

  private:
    void do_kick(std::size_t queue) override { serve(queue); }
    void do_request(std::size_t, Chain chain) override {
        auto reader = chain.reader();
        std::vector<std::byte> bytes(reader.remaining());
        reader.read(bytes);
        if (hook_) {
            hook_();
        }
        auto writer = chain.writer();
        chain.set_written(writer.write(std::as_bytes(std::span(std::string_view("pong")))));
        const std::scoped_lock guard(lock_);
        requests_.push_back(kit::to_text(bytes));
    }

    mutable std::mutex lock_;
    std::vector<std::string> requests_;
    std::function<void()> hook_;
};

using Fixture = kit::DeviceRig<TestDevice>;

} // namespace hvisor::virtio
