// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/atomic.hpp"
#include "base/blame.hpp"
#include "base/rate_limit.hpp"
#include "base/reactor.hpp"
#include "base/state_memory.hpp"
#include "guest/guest_memory.hpp"
#include "virtio/device_record.hpp"
#include "virtio/features.hpp"
#include "virtio/interrupt.hpp"
#include "virtio/queue.hpp"
#include "virtio/queue_layout.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <format>
#include <functional>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace hvisor::virtio {

using QueueLayouts = std::array<std::optional<QueueLayout>, max_queues>;

/// What a device gets from the one who makes it.
struct DeviceContext {
    std::uint32_t zone = 0;
    std::string zone_name;
    std::string id; ///< for messages and the API: "block-a003c00"
    std::uint32_t interrupt = 0;
    std::shared_ptr<const guest::GuestMemory> memory;
    GuestPort& port;
    Reactor& owner; ///< the thread that owns the device's queues
    /// Where it keeps what it remembers of its driver; none: in memory of this process.
    std::shared_ptr<const StateMemory> state{};
};

/// What a device type is to a driver.
struct DeviceModel {
    std::uint32_t device_id = 0;            ///< virtio 1.2, 5
    FeatureSet features;                    ///< of the type
    std::vector<std::uint16_t> queue_sizes; ///< the largest size of each queue
    std::vector<std::byte> config;          ///< device configuration space, as it begins
    /// A field of the configuration space that a driver may write.
    struct Field {
        std::size_t offset;
        std::size_t size;
    };
    std::vector<Field> writable_config{};
    /// Offered beside `features`; less where somebody else serves the queues.
    FeatureSet transport = transport_features;
    /// Bit n: queue n is lent to somebody else, who alone touches its ring.
    std::uint32_t lent_queues = 0;
    std::size_t state_size = 0; ///< of the type's structure, see Device::type_state()
    /// Of the memory that it lies in, behind the record: what DeviceContext::state has.
    std::size_t memory_size = StateMemory::default_size;
};

/// Where a device begins, by the memory for its record.
enum class Past {
    none,    ///< all zeros: nobody has used it before
    known,   ///< another object of its kind has; it goes on there
    unknown, ///< it is of another kind, or another version, or better not used
};

/// The part that all devices share, and the rules of who may call what:
///
///     TrapLoop:      activate, start_queue, stop_queue, reset, kick,
///                    read_config, write_config: they never block; the work is
///                    posted to the owner
///     owner thread:  all do_ hooks but one, everything protected
///     any thread:    require_reset, quiesce, close, the accessors
///
/// The owner may be TrapLoop's own thread: so no hook ever blocks. What a hook
/// does happens in a turn, at whose end everything that went back to a queue is
/// published, with at most one interrupt a queue.
///
/// inactive ──activate──▶ active ──reset──▶ inactive
///                          │ require_reset, queues rest until it comes
///     (any) ──quiesce──▶ quiesced: queues rest for good ──close──▶ closed
///
/// A queue that stops gives nothing out any more, and is gone when the last
/// chain is back; only then the driver is answered. A lent queue is gone when
/// it was taken back.
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
    /// False when these bytes are not a part of one writable field.
    [[nodiscard]] bool write_config(std::size_t offset, std::span<const std::byte> from);
    /// Differs between two looks when the configuration changed in between, or is
    /// just being changed (virtio 1.2, 2.5.2).
    [[nodiscard]] std::uint32_t config_generation();

    /// DRIVER_OK: the queues that have a layout run from now on.
    void activate(FeatureSet features, const QueueLayouts& layouts);
    /// A queue that was reset runs again (virtio 1.2, 2.6.1).
    void start_queue(std::size_t queue, const QueueLayout& layout);
    /// Stop the queues and forget the driver. True when that is done already;
    /// else `done` is called, on the owner thread, once no request of the old
    /// driver is in flight any more.
    [[nodiscard]] bool reset(std::function<void()> done);
    /// The same for one queue.
    [[nodiscard]] bool stop_queue(std::size_t queue, std::function<void()> done);
    /// The driver made buffers available.
    void kick(std::size_t queue);

    [[nodiscard]] Past past() const { return past_; }
    /// Go on with a driver that another device object has served, which ended in
    /// the middle of anything: requests that were out are begun once more, in
    /// the order they came. How far a lent queue came, only its ring says. In the
    /// place of activate(), once, before the first access; `layouts` are those of
    /// queues that are ready.
    void resume(const QueueLayouts& layouts);

    /// The driver did something that cannot be worked with: DEVICE_NEEDS_RESET
    /// and a configuration change interrupt (virtio 1.2, 2.1.2).
    void require_reset(std::string_view reason);
    [[nodiscard]] bool needs_reset() const { return load_acquire(record_.needs_reset) != 0; }
    /// Why it does; "" while it does not.
    [[nodiscard]] std::string reset_reason() const;

    /// Stop for good and wait until no request is in flight. Not on the owner.
    void quiesce();
    /// Quiesce, and let go of everything on the owner; the device can be
    /// destroyed then, and must not before. Not on the owner.
    void close();
    /// Let go of a back end that others may want to have, after quiesce(). Waits
    /// for the kernel: on the control thread.
    virtual void disconnect() {}

    [[nodiscard]] Interrupt& interrupt() { return interrupt_; }
    [[nodiscard]] const Interrupt& interrupt() const { return interrupt_; }
    [[nodiscard]] const QueueState& queue_state(std::size_t queue) const { return record_.queues.at(queue); }
    /// For the transport, which keeps its registers there.
    [[nodiscard]] DeviceRecord& record() { return record_; }
    [[nodiscard]] const DeviceRecord& record() const { return record_; }
    /// A message that the guest can cause.
    template <class... Args>
    void warn(std::format_string<Args...> format, Args&&... args) {
        limit_.warning(format, std::forward<Args>(args)...);
    }
    [[nodiscard]] const log::Fields& log_fields() const { return limit_.fields(); }

    /// "block", "console".
    [[nodiscard]] virtual std::string_view type_name() const = 0;
    /// What is behind it, for people: an image's path, a pty's.
    [[nodiscard]] virtual std::string backend_name() const = 0;
    /// For how long the back end has had work and has finished none of it; nothing
    /// while it has none. Any thread.
    [[nodiscard]] virtual std::optional<Reactor::Clock::duration>
    backend_silence(Reactor::Clock::time_point /*now*/) const {
        return std::nullopt;
    }

  protected:
    /// The queues run; the negotiated features are set.
    virtual void do_activate() {}
    /// The same when another device object has served the driver before;
    /// type_state() is as it was there.
    virtual void do_resume() {}
    /// All that a type remembers of its driver: one structure, of
    /// DeviceModel::state_size bytes, that stays valid whenever this process is
    /// killed. For the constructor.
    template <class State>
    [[nodiscard]] State& type_state() {
        static_assert(std::is_trivially_copyable_v<State> && alignof(State) <= type_alignment);
        auto* memory = type_memory(sizeof(State));
        return past_ == Past::known ? *std::launder(reinterpret_cast<State*>(memory)) : *new (memory) State;
    }
    /// The driver made buffers available in a queue that runs.
    virtual void do_kick(std::size_t queue) = 0;
    /// One chain of serve(), which is not for lent queues. It goes back to the driver when it is destroyed,
    /// now or later.
    virtual void do_request(std::size_t queue, Chain chain) = 0;
    /// The queue stops: let go of every chain that only waits for something to
    /// happen. Those that a back end works on come back when it is done; so
    /// does a lent queue, by take_back(), also when this is called for a fault.
    virtual void do_stop_queue(std::size_t /*queue*/) {}
    /// All queues have stopped; forget what the driver set.
    virtual void do_reset() {}
    /// The driver wrote into a field of the configuration space. Each write is
    /// told with what was written, also when the next one is there already.
    virtual void do_config_written(std::size_t /*offset*/, std::span<const std::byte> /*bytes*/) {}
    /// The same on TrapLoop, before the write is answered: for fields that have
    /// to say at the next read what the one that was written asks them for.
    virtual void do_config_selected() {}
    /// The device will not run again.
    virtual void do_quiesce() {}
    /// The last call: let go of the owner's watches, and of the back end.
    virtual void do_close() {}

    /// What a back end's callback does on the owner, as one turn: an exception
    /// fails this device and nothing else, and what went back to the queues is
    /// published at the end.
    template <class Body>
    void turn(Body&& body) {
        const Blame blame(record_.faults);
        fenced(std::forward<Body>(body));
        end_turn();
    }
    /// Hand every available chain to do_request(), with one interrupt a batch.
    void serve(std::size_t index);
    /// The file behind type_state(), and where in it a part of that is.
    struct Place {
        int file = -1;
        std::int64_t offset = 0;
    };
    [[nodiscard]] Place place_of(const void* part) const;
    /// The running queue, or null: not set up, reset, failed or quiesced.
    [[nodiscard]] Queue* queue(std::size_t index);
    /// The next chain of a queue; faults become require_reset().
    [[nodiscard]] std::optional<Chain> pop(std::size_t index);
    /// Publish before the turn ends, and interrupt the driver if it wants to hear of it.
    void signal(std::size_t index, Queue::Clock::time_point now = Queue::Clock::now());
    /// Where a lent queue is, from do_activate() to take_back(); else null.
    [[nodiscard]] const QueueLayout* lent(std::size_t index) const;
    /// Whoever had the queue does not touch it any more, and would have taken
    /// this entry next. In a turn.
    void take_back(std::size_t index, std::uint16_t next_avail);
    /// Whoever has the queue wants the driver to be interrupted.
    void signal_lent(std::size_t index);
    /// Change the configuration space, and tell the driver.
    void update_config(std::size_t offset, std::span<const std::byte> bytes);
    /// The same for what the driver has asked for itself: no interrupt says so.
    void put_config(std::size_t offset, std::span<const std::byte> bytes);
    void count_bytes(std::size_t queue, std::uint64_t bytes) { state(queue).metrics.bytes.add(bytes); }
    void count_error(std::size_t queue) { state(queue).metrics.errors.add(1); }
    [[nodiscard]] bool negotiated(FeatureBit bit) const { return negotiated_.has(bit); }
    [[nodiscard]] FeatureSet negotiated() const { return negotiated_; }
    /// do_kick() once more, after the owner's other work.
    void serve_again(std::size_t index);
    [[nodiscard]] Reactor& owner() { return context_.owner; }

  private:
    static constexpr std::size_t type_alignment = 64;

    /// Queues that are stopping, and what to do when all of them have.
    struct Stop {
        std::uint32_t queues; ///< bit n: queue n
        std::function<void()> done;
    };

    void start_queues(FeatureSet features, const QueueLayouts& layouts);
    void set_up_queues(const QueueLayouts& layouts, Queue::Start start);
    void kick_all();
    void go_on(const QueueLayouts& layouts);
    void forget_driver();
    void begin_record();
    [[nodiscard]] std::byte* type_memory(std::size_t size) const;
    [[nodiscard]] QueueState& state(std::size_t queue) { return record_.queues.at(queue); }
    [[nodiscard]] std::span<Watched<std::uint8_t>> config() {
        return std::span(record_.config).first(model_.config.size());
    }
    [[nodiscard]] std::span<const Watched<std::uint8_t>> config() const {
        return std::span(record_.config).first(model_.config.size());
    }
    void begin_stop(std::uint32_t queues, std::function<void()> done);
    void finish_stops();
    [[nodiscard]] bool has_stopped(std::uint32_t queues) const;
    [[nodiscard]] bool is_running() const { return record_.is_running.get() != 0; }
    [[nodiscard]] bool runs(std::size_t index) const;
    void end_turn();
    void take_kicks();
    void repair_interrupt();
    void report_fault();
    void raise(std::uint32_t bits);
    void fail_internally(const char* what);
    template <class Body>
    void fenced(Body&& body) {
        try {
            std::forward<Body>(body)();
        } catch (const std::exception& e) {
            fail_internally(e.what());
        }
    }

    DeviceContext context_;
    DeviceModel model_;
    RateLimit limit_;
    const std::shared_ptr<const StateMemory> memory_;
    DeviceRecord& record_; ///< in it
    Past past_ = Past::none;
    std::string_view unknown_because_ =
        "another process has served the driver before, and left nothing to go on with";
    mutable std::mutex reason_lock_; ///< of the record's reset_reason
    Interrupt interrupt_;

    // TrapLoop's
    bool active_ = false;

    // Shared
    std::atomic<std::uint32_t> kicks_{0}; ///< bit n: queue n

    // The owner's
    FeatureSet negotiated_;
    std::array<std::optional<Queue>, max_queues> queues_;
    QueueLayouts lent_; ///< instead of a queue, while somebody else has it
    bool quiesced_ = false;
    std::uint32_t stopping_ = 0; ///< bit n: queue n gives nothing out
    std::vector<Stop> stops_;
    Reactor::Waker kick_waker_;
    Reactor::Timer repair_timer_;
};

} // namespace hvisor::virtio
