// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/throttle.hpp"
#include "devices/block/backend_file.hpp"
#include "devices/block/bounce.hpp"
#include "devices/block/operation.hpp"
#include "devices/block/request.hpp"
#include "virtio/device.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
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

    /// What the driver was told, in bytes. Any thread, as all below.
    [[nodiscard]] std::uint64_t capacity() const { return capacity_.load(std::memory_order_relaxed); }
    [[nodiscard]] bool read_only() const { return disk_.read_only; }
    [[nodiscard]] const std::string& serial() const { return backend_.serial(); }

    [[nodiscard]] std::string_view type_name() const override { return "block"; }
    [[nodiscard]] std::string backend_name() const override { return backend_.path(); }

  private:
    void do_activate() override;
    void do_resume() override;
    std::span<std::byte> type_state() override { return std::as_writable_bytes(std::span(&state_, 1)); }
    void do_kick(std::size_t queue) override;
    void do_request(std::size_t queue, virtio::Chain chain) override;
    void do_stop_queue(std::size_t queue) override;
    void do_reset() override;
    void do_config_written(std::size_t offset, std::span<const std::byte> bytes) override;
    void do_quiesce() override;

    [[nodiscard]] Request& take_request();
    void start(Request& request);
    void run(Request& request);
    void finish(Request& request);
    void start_waiting();
    void reap();
    void flush_engines();
    [[nodiscard]] Engine& engine_for(const Operation& operation);
    [[nodiscard]] Engine::Callbacks callbacks();
    /// virtio 1.2, 5.2.5.2: the driver takes the cache for write-through.
    [[nodiscard]] bool is_write_through() const;

    FileBackend backend_;
    DiskFacts disk_;
    std::atomic<std::uint64_t> capacity_; ///< of disk_, for other threads
    BlockState state_;
    BouncePool bounces_;
    std::vector<std::unique_ptr<Request>> requests_; ///< all there are
    std::vector<Request*> idle_;
    Throttle throttle_;
    std::deque<Request*> waiting_; ///< for the rate limit
    Reactor::Timer throttle_timer_;
    std::unique_ptr<Engine> uring_;  ///< null where the kernel has none
    std::unique_ptr<Engine> worker_; ///< its thread begins when it is needed
};

} // namespace hvisor::devices::block
