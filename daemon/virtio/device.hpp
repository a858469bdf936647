// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/rate_limit.hpp"
#include "base/reactor.hpp"
#include "guest/guest_memory.hpp"
#include "virtio/features.hpp"
#include "virtio/interrupt.hpp"
#include "virtio/queue.hpp"
#include "virtio/queue_layout.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <format>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hvisor::virtio {

/// Queues one device can have.
inline constexpr std::size_t max_queues = 16;

/// What a device gets from the one who makes it.
struct DeviceContext {
    std::uint32_t zone = 0;
    std::string zone_name;
    std::string id; ///< for messages and the API: "block-a003c00"
    std::uint32_t interrupt = 0;
    std::shared_ptr<const guest::GuestMemory> memory;
    GuestPort& port;
    Reactor& owner; ///< the thread that owns the device's queues
};

/// What a device type is to a driver.
struct DeviceModel {
    std::uint32_t device_id = 0;            ///< virtio 1.2, 5
    FeatureSet features;                    ///< of the type; transport_features are added
    std::vector<std::uint16_t> queue_sizes; ///< the largest size of each queue
    std::vector<std::byte> config;          ///< device configuration space
};

/// The part that all devices share, and the rules of who may call what:
///
///     TrapLoop:      activate, reset, stop_queue, kick, read_config: they never
///                    block; the work is posted to the owner
///     owner thread:  all do_ hooks, everything protected
///     any thread:    require_reset, quiesce, the accessors
///
/// inactive ──activate──▶ active ──reset──▶ inactive
///                          │ require_reset, queues rest until it comes
///     (any) ──quiesce──▶ quiesced: queues rest for good
///
/// The owner reactor is stopped before a device is destroyed.
class Device {
  public:
    Device(DeviceContext context, DeviceModel model);
    Device(const Device&) = delete;
    Device& operator=(const Device&) = delete;
    Device(Device&&) = delete;
    Device& operator=(Device&&) = delete;
    virtual ~Device();

    [[nodiscard]] const DeviceContext& context() const { return context_; }
    [[nodiscard]] std::uint32_t device_id() const { return model_.device_id; }
    [[nodiscard]] FeatureSet features() const { return model_.features; }
    [[nodiscard]] std::size_t queue_count() const { return model_.queue_sizes.size(); }
    [[nodiscard]] std::uint16_t max_queue_size(std::size_t queue) const {
        return model_.queue_sizes.at(queue);
    }

    /// Fill `to` from the configuration space; zeroes beyond its end.
    void read_config(std::size_t offset, std::span<std::byte> to) const;

    /// DRIVER_OK: the queues that have a layout run from now on.
    void activate(FeatureSet features, const std::array<std::optional<QueueLayout>, max_queues>& layouts);
    /// Stop the queues and forget the driver. True when that is done already;
    /// else `done` is called, on the owner thread, once no request of the old
    /// driver is in flight any more.
    [[nodiscard]] bool reset(std::function<void()> done);
    /// The same for one queue.
    [[nodiscard]] bool stop_queue(std::size_t queue, std::function<void()> done);
    /// The driver made buffers available.
    void kick(std::size_t queue);

    /// The driver did something that cannot be worked with: DEVICE_NEEDS_RESET
    /// and a configuration change interrupt (virtio 1.2, 2.1.2).
    void require_reset(std::string_view reason);
    [[nodiscard]] bool needs_reset() const { return needs_reset_.load(std::memory_order_acquire); }

    /// Stop for good and wait until no request is in flight. Not on TrapLoop.
    void quiesce();

    [[nodiscard]] Interrupt& interrupt() { return interrupt_; }
    [[nodiscard]] const Interrupt& interrupt() const { return interrupt_; }
    [[nodiscard]] const QueueIndices& indices(std::size_t queue) const { return indices_.at(queue); }
    /// A message that the guest can cause: rate limited, and written by the
    /// owner thread, because a journal that hangs must not hold up TrapLoop.
    template <class... Args>
    void warn(std::format_string<Args...> format, Args&&... args) {
        if (const auto suppressed = limit_.admit(RateLimit::Clock::now())) {
            post_warning(std::format(format, std::forward<Args>(args)...), *suppressed);
        }
    }
    [[nodiscard]] const log::Fields& log_fields() const { return limit_.fields(); }

    /// "block", "console".
    [[nodiscard]] virtual std::string_view type_name() const = 0;
    /// What is behind it, for people: an image's path, a pty's.
    [[nodiscard]] virtual std::string backend_name() const = 0;

  protected:
    /// The queues run; the negotiated features are set.
    virtual void do_activate() {}
    /// The driver made buffers available in a queue that runs.
    virtual void do_kick(std::size_t queue) = 0;
    /// One chain of serve(). It goes back to the driver when it is destroyed.
    virtual void do_request(std::size_t queue, Chain chain) = 0;
    /// The queues are about to stop: let go of every chain, wait for back ends.
    virtual void do_stop() {}
    /// The device will not run again.
    virtual void do_quiesce() {}

    /// Hand every available chain to do_request(), with one interrupt a batch.
    void serve(std::size_t index);
    /// The running queue, or null: not set up, reset, failed or quiesced.
    [[nodiscard]] Queue* queue(std::size_t index);
    /// The next chain of a queue; faults become require_reset().
    [[nodiscard]] std::optional<Chain> pop(std::size_t index);
    /// Interrupt the driver if it wants to hear of what was published.
    void signal(std::size_t index);
    [[nodiscard]] bool negotiated(FeatureBit bit) const { return negotiated_.has(bit); }
    [[nodiscard]] Reactor& owner() { return context_.owner; }

  private:
    void start_queues(FeatureSet features, const std::array<std::optional<QueueLayout>, max_queues>& layouts);
    void stop_queues();
    void post_warning(std::string message, std::uint64_t suppressed);
    void take_kicks();
    void repair_interrupt();
    void report_fault();
    void raise(std::uint32_t bits);
    /// Runs a hook; an exception in it fails this device and nothing else.
    void fenced(const std::function<void()>& hook);

    DeviceContext context_;
    DeviceModel model_;
    RateLimit limit_;
    Interrupt interrupt_;
    std::array<QueueIndices, max_queues> indices_;

    // TrapLoop's
    bool active_ = false;

    // Shared
    std::atomic<bool> needs_reset_{false};
    std::atomic<std::uint32_t> kicks_{0}; ///< bit n: queue n

    // The owner's
    FeatureSet negotiated_;
    std::array<std::optional<Queue>, max_queues> queues_;
    bool running_ = false;
    bool quiesced_ = false;
    Reactor::Waker kick_waker_;
    Reactor::Timer repair_timer_;
};

} // namespace hvisor::virtio
