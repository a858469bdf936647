// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "devices/input/backend.hpp"
#include "devices/input/capabilities.hpp"
#include "devices/input/event_store.hpp"
#include "virtio/device.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>

namespace hvisor::devices::input {

/// A virtio input device (virtio 1.2, 5.8): a keyboard or a pointer, whose
/// events come from any thread, or from a real one of the root zone.
class InputDevice final : public virtio::Device {
  public:
    /// `model` is for people: "keyboard". Without a back end events come by put() alone.
    InputDevice(virtio::DeviceContext context, Capabilities capabilities, std::string model,
                std::unique_ptr<Backend> backend = nullptr);
    InputDevice(const InputDevice&) = delete;
    InputDevice& operator=(const InputDevice&) = delete;
    InputDevice(InputDevice&&) = delete;
    InputDevice& operator=(InputDevice&&) = delete;
    ~InputDevice() override;

    [[nodiscard]] std::string_view type_name() const override { return "input"; }
    [[nodiscard]] std::string backend_name() const override;
    void disconnect() override;

    // Any thread; none of them waits.

    /// What happened at once, without the report at its end. It goes to the driver
    /// whole or not at all, see EventStore; events that the device has not are left out.
    void put(Group group);
    /// Keys and buttons that are down go up: whoever held them is gone.
    void release_all();

    [[nodiscard]] const Capabilities& capabilities() const { return capabilities_; }
    [[nodiscard]] const std::string& model() const { return model_; }
    [[nodiscard]] bool is_real() const { return backend_ != nullptr; }
    /// A driver takes events.
    [[nodiscard]] bool is_heard() const { return is_heard_.load(std::memory_order_acquire); }
    /// Bit n: LED n (LED_CAPSL) is lit.
    [[nodiscard]] std::uint32_t leds() const;
    /// Events that the driver did not get, for want of buffers.
    [[nodiscard]] std::uint64_t dropped() const;

  private:
    /// All that it remembers of its driver: plain data.
    struct State {
        EventStore::State events;
        std::uint32_t leds = 0;
    };

    void do_activate() override;
    void do_resume() override;
    void do_kick(std::size_t queue) override;
    void do_request(std::size_t queue, virtio::Chain chain) override;
    void do_reset() override;
    void do_quiesce() override;
    void do_config_selected() override;

    /// Give the driver what is there, an event a buffer.
    void deliver();
    [[nodiscard]] bool deliver(const Event& event, virtio::Chain chain);
    [[nodiscard]] std::optional<Event> next_event() const;
    void take_status(const Event& event);
    void begin();
    void end();

    const Capabilities capabilities_;
    const std::string model_;
    std::atomic<bool> is_heard_{false};
    mutable std::mutex lock_;
    State& state_;     ///< under lock_
    EventStore store_; ///< the same
    Reactor::Waker waker_;
    std::unique_ptr<Backend> backend_; ///< its thread uses all of the above
};

} // namespace hvisor::devices::input
