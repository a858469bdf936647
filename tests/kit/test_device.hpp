// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kit/ram.hpp"
#include "virtio/device.hpp"

#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hvisor::kit {

inline constexpr auto f_test = virtio::FeatureBit{3};
inline constexpr std::uint32_t test_device_id = 42;
inline constexpr std::uint16_t test_queue_size = 16;

/// Answers each request with "pong" and remembers what it read.
class TestDevice final : public virtio::Device {
  public:
    explicit TestDevice(virtio::DeviceContext context, virtio::DeviceModel model = make_model())
        : Device(std::move(context), std::move(model)) {}

    [[nodiscard]] static virtio::DeviceModel make_model() {
        return {.device_id = test_device_id,
                .features = {f_test},
                .queue_sizes = {test_queue_size, test_queue_size},
                .config = to_bytes("configuration")};
    }

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
    /// Keep the requests of one queue from now on, as a back end that works on
    /// them would.
    void keep_requests(std::size_t queue) {
        owner().call([&] { kept_queue_ = queue; });
    }
    /// Let go of them, and keep no more.
    void finish_requests() {
        owner().call([&] {
            turn([&] {
                kept_queue_.reset();
                kept_.clear();
            });
        });
    }
    void change_config(std::size_t offset, std::string_view bytes) {
        owner().call([&] { turn([&] { update_config(offset, std::as_bytes(std::span(bytes))); }); });
    }
    /// Offset and size of what the driver wrote into the configuration space.
    [[nodiscard]] std::vector<std::pair<std::size_t, std::size_t>> config_writes() const {
        const std::scoped_lock guard(lock_);
        return config_writes_;
    }

  private:
    void do_kick(std::size_t queue) override { serve(queue); }
    void do_request(std::size_t queue, virtio::Chain chain) override {
        auto reader = chain.reader();
        std::vector<std::byte> bytes(reader.remaining());
        reader.read(bytes);
        if (hook_) {
            hook_();
        }
        auto writer = chain.writer();
        chain.set_written(writer.write(std::as_bytes(std::span(std::string_view("pong")))));
        if (kept_queue_ == queue) {
            kept_.push_back(std::move(chain));
        }
        const std::scoped_lock guard(lock_);
        requests_.push_back(to_text(bytes));
    }
    void do_config_written(std::size_t offset, std::span<const std::byte> bytes) override {
        const std::scoped_lock guard(lock_);
        config_writes_.emplace_back(offset, bytes.size());
    }

    mutable std::mutex lock_;
    std::vector<std::string> requests_;
    std::vector<std::pair<std::size_t, std::size_t>> config_writes_;
    std::function<void()> hook_;
    std::optional<std::size_t> kept_queue_;
    std::vector<virtio::Chain> kept_;
};

} // namespace hvisor::kit
