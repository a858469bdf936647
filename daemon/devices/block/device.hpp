// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "base/throttle.hpp"
#include "base/unique_fd.hpp"
#include "devices/block/backend_file.hpp"
#include "devices/block/bounce.hpp"
#include "devices/block/operation.hpp"
#include "devices/block/request.hpp"
#include "virtio/device.hpp"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace hvisor::devices::block {

/// How the device shows itself, beyond its image.
struct BlockOptions {
    std::size_t queues = 1; ///< 1 … virtio::max_queues
    Throttle::Settings limit{};
};

/// What a block device remembers of its driver: plain data. The requests that
/// are out are in the state of their queues; each can be carried out twice.
struct BlockState {
    bool writeback = true; ///< what the driver chose for the cache
};
static_assert(std::is_trivially_copyable_v<BlockState>);

/// A virtio block device (virtio 1.2, 5.2) over a raw image.
///
/// What cannot block (the page cache, memory) is done at once on the owner
/// thread. The rest goes to an engine: io_uring where the kernel has it, a
/// thread for buffered writes, and for all of it where the kernel has not.
class BlockDevice final : public virtio::Device {
  public:
    BlockDevice(virtio::DeviceContext context, FileBackend backend, BlockOptions options = {});

    /// Make the image `bytes` long unless that is 0, look at its size, and tell
    /// the driver of a new one. Any thread; returns bytes. `wrong_state` when
    /// the zone has stopped.
    [[nodiscard]] Result<std::uint64_t> resize(std::uint64_t bytes);

    /// Use another image from now on, called `path`; the driver is told its
    /// size, which is returned in bytes. What was begun is done on the old one
    /// first, what comes meanwhile waits. Any thread but the owner.
    /// `invalid_config` when the driver cannot go on with it: it was told the
    /// block size once and for all. `timed_out` when the old image does not
    /// answer, `wrong_state` when the zone has stopped; the old one stays then.
    [[nodiscard]] Result<std::uint64_t> swap_image(std::string path, UniqueFd image);
    /// How long swap_image() waits for the old image.
    static constexpr std::chrono::seconds swap_patience{10};

    /// What the driver was told, in bytes. Any thread, as all below.
    [[nodiscard]] std::uint64_t capacity() const { return capacity_.load(std::memory_order_relaxed); }
    [[nodiscard]] bool read_only() const { return disk_.read_only; }
    [[nodiscard]] const std::string& serial() const { return serial_; }

    [[nodiscard]] std::string_view type_name() const override { return "block"; }
    [[nodiscard]] std::string backend_name() const override;
    [[nodiscard]] std::optional<Reactor::Clock::duration>
    backend_silence(Reactor::Clock::time_point now) const override;

  private:
    /// An image that waits for the end of what was begun on the one before.
    struct Swap {
        FileBackend image;
        std::promise<Result<std::uint64_t>> done;
    };

    void do_activate() override;
    void do_resume() override;
    void do_kick(std::size_t queue) override;
    void do_request(std::size_t queue, virtio::Chain chain) override;
    void do_stop_queue(std::size_t queue) override;
    void do_reset() override;
    void do_config_written(std::size_t offset, std::span<const std::byte> bytes) override;
    void do_quiesce() override;

    [[nodiscard]] Request& take_request();
    void start(Request& request);
    void run(Request& request);
    void submit(Operation& operation);
    void count_finished();
    void finish(Request& request);
    void start_waiting();
    void reap();
    void flush_engines();
    void start_engines();
    void set_capacity(std::uint64_t bytes);
    [[nodiscard]] Error stopped() const;
    void try_swap();
    void fail_swap(const Error& error);
    [[nodiscard]] Engine& engine_for(const Operation& operation);
    [[nodiscard]] Engine::Callbacks callbacks();
    /// virtio 1.2, 5.2.5.2: the driver takes the cache for write-through.
    [[nodiscard]] bool is_write_through() const;

    FileBackend backend_;
    std::optional<Swap> swap_;
    mutable std::mutex name_lock_;
    std::string name_; ///< the image's path, under name_lock_
    const std::string serial_;
    DiskFacts disk_;
    std::atomic<std::uint64_t> capacity_; ///< of disk_, for other threads
    BlockState& state_;
    BouncePool bounces_;
    std::vector<std::unique_ptr<Request>> requests_; ///< all there are
    std::vector<Request*> idle_;
    Throttle throttle_;
    std::deque<Request*> waiting_; ///< for the rate limit, or another image
    Reactor::Timer throttle_timer_;
    std::size_t out_ = 0;                   ///< operations that the engines have
    Watched<std::int64_t> silent_since_ns_; ///< since then none has come back; 0 when none is out
    std::unique_ptr<Engine> uring_;         ///< null where the kernel has none
    std::unique_ptr<Engine> worker_;        ///< its thread begins when it is needed
};

} // namespace hvisor::devices::block
