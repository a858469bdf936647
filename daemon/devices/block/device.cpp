// SPDX-License-Identifier: Apache-2.0
#include "devices/block/device.hpp"

#include "base/errno_text.hpp"
#include "devices/block/config.hpp"
#include "devices/block/engine_uring.hpp"
#include "devices/block/engine_worker.hpp"

#include <algorithm>
#include <bit>
#include <chrono>
#include <span>
#include <utility>

namespace hvisor::devices::block {
namespace {

Config make_config(const FileBackend& backend, std::size_t queues) {
    const auto block_sectors = static_cast<std::uint32_t>(backend.block_size() / sector_size);
    const auto physical_blocks = backend.physical_block_size() / backend.block_size();
    Config config{};
    config.capacity = backend.size() / sector_size;
    // A queue full of descriptors less those of header and status.
    config.seg_max = queue_size - 2;
    config.blk_size = backend.block_size();
    config.topology.physical_block_exp =
        static_cast<std::uint8_t>(std::countr_zero(std::bit_floor(std::max(physical_blocks, 1U))));
    config.topology.min_io_size = static_cast<std::uint16_t>(std::max(physical_blocks, 1U));
    config.writeback = 1;
    config.num_queues = static_cast<std::uint16_t>(queues);
    config.max_discard_sectors = max_range_sectors;
    config.max_discard_seg = max_range_segments;
    config.discard_sector_alignment = block_sectors;
    config.max_write_zeroes_sectors = max_range_sectors;
    config.max_write_zeroes_seg = max_range_segments;
    config.write_zeroes_may_unmap = 1;
    return config;
}

virtio::DeviceModel make_model(const FileBackend& backend, const BlockOptions& options) {
    const auto config = make_config(backend, options.queues);
    const auto bytes = std::as_bytes(std::span(&config, 1));
    virtio::FeatureSet features{f_seg_max, f_blk_size, f_topology, f_flush};
    features = features | (backend.read_only() ? virtio::FeatureSet{f_read_only}
                                               : virtio::FeatureSet{f_config_wce, f_discard, f_write_zeroes});
    if (options.queues > 1) {
        features = features | virtio::FeatureSet{f_mq};
    }
    virtio::DeviceModel model{.device_id = device_id,
                              .features = features,
                              .queue_sizes = std::vector(options.queues, queue_size),
                              .config = std::vector(bytes.begin(), bytes.end()),
                              .state_size = sizeof(BlockState)};
    if (!backend.read_only()) {
        model.writable_config.push_back({.offset = offsetof(Config, writeback), .size = 1});
    }
    return model;
}

} // namespace

BlockDevice::BlockDevice(virtio::DeviceContext context, FileBackend backend, BlockOptions options)
    : Device(std::move(context), make_model(backend, options)),
      backend_(std::move(backend)),
      name_(backend_.path()),
      serial_(backend_.serial()),
      disk_{.capacity = backend_.size() / sector_size * sector_size,
            .read_only = backend_.read_only(),
            .bounce = backend_.direct(),
            .serial = serial_},
      capacity_(disk_.capacity),
      state_(type_state<BlockState>()),
      throttle_(options.limit),
      throttle_timer_(owner(), [this] { turn([this] { start_waiting(); }); }) {}

Engine::Callbacks BlockDevice::callbacks() {
    return {.ready = [this] { turn([this] { reap(); }); },
            .done =
                [this](Operation& operation) {
                    count_finished();
                    operation.request->take_result(bounces_);
                    run(*operation.request);
                }};
}

void BlockDevice::do_activate() {
    disk_.discard = negotiated(f_discard);
    disk_.write_zeroes = negotiated(f_write_zeroes);
    if (!worker_) {
        start_engines();
    }
}

void BlockDevice::start_engines() {
    uring_ = UringEngine::create(owner(), backend_.fd(), static_cast<unsigned>(queue_count() * queue_size),
                                 callbacks());
    worker_ = std::make_unique<WorkerEngine>(owner(), backend_, context().id, callbacks());
}

void BlockDevice::do_resume() {
    do_activate();
    // The configuration space has what the driver was told; the image may have
    // another size now.
    std::uint64_t told = 0;
    read_config(offsetof(Config, capacity), std::as_writable_bytes(std::span(&told, 1)));
    if (const auto sectors = disk_.capacity / sector_size; told != sectors) {
        update_config(offsetof(Config, capacity), std::as_bytes(std::span(&sectors, 1)));
    }
}

void BlockDevice::do_kick(std::size_t queue) {
    serve(queue);
    flush_engines();
}

void BlockDevice::do_request(std::size_t queue, virtio::Chain chain) {
    auto& request = take_request();
    request.begin(queue, std::move(chain), disk_, is_write_through());
    if (throttle_.is_limited() || swap_) {
        waiting_.push_back(&request);
        start_waiting();
    } else {
        run(request);
    }
}

Request& BlockDevice::take_request() {
    if (idle_.empty()) {
        requests_.push_back(std::make_unique<Request>());
        return *requests_.back();
    }
    auto& request = *idle_.back();
    idle_.pop_back();
    return request;
}

void BlockDevice::start_waiting() {
    if (swap_) {
        return; // its end comes back here
    }
    const auto now = Throttle::Clock::now();
    while (!waiting_.empty() && throttle_.is_ready(now)) {
        auto& request = *waiting_.front();
        waiting_.pop_front();
        throttle_.take(static_cast<std::uint32_t>(request.payload()), now);
        run(request);
    }
    if (!waiting_.empty()) {
        throttle_timer_.set(throttle_.next());
    }
    flush_engines();
}

void BlockDevice::run(Request& request) {
    while (auto* operation = request.next(bounces_)) {
        if (!backend_.try_carry_out(*operation)) {
            submit(*operation);
            return;
        }
        request.take_result(bounces_);
    }
    finish(request);
}

void BlockDevice::submit(Operation& operation) {
    if (out_++ == 0) {
        silent_since_ns_.set(Reactor::Clock::now().time_since_epoch().count());
    }
    engine_for(operation).submit(operation);
}

void BlockDevice::count_finished() {
    silent_since_ns_.set(--out_ == 0 ? 0 : Reactor::Clock::now().time_since_epoch().count());
}

std::optional<Reactor::Clock::duration> BlockDevice::backend_silence(Reactor::Clock::time_point now) const {
    const auto since = silent_since_ns_.get();
    return since == 0 ? std::nullopt
                      : std::optional(now.time_since_epoch() - std::chrono::nanoseconds(since));
}

void BlockDevice::finish(Request& request) {
    const auto outcome = request.outcome();
    const auto& header = request.header();
    if (outcome == Outcome::done) {
        count_bytes(request.queue(), request.payload());
    } else {
        count_error(request.queue());
    }
    if (outcome == Outcome::no_status) {
        require_reset(to_string(outcome));
    } else if (outcome == Outcome::backend_error) {
        warn("{}: request of type {} at sector {}: {}", backend_.path(), header.type, header.sector,
             errno_text(request.error()));
    } else if (outcome != Outcome::done && outcome != Outcome::unsupported) {
        warn("request of type {} at sector {} refused: {}", header.type, header.sector, to_string(outcome));
    }
    request.finish();
    idle_.push_back(&request);
}

Engine& BlockDevice::engine_for(const Operation& operation) {
    const bool is_ranged =
        operation.kind == Operation::Kind::discard || operation.kind == Operation::Kind::write_zeroes;
    const bool is_buffered_write = operation.kind == Operation::Kind::write && !backend_.direct();
    return uring_ && !is_ranged && !is_buffered_write ? *uring_ : *worker_;
}

void BlockDevice::reap() {
    if (uring_) {
        uring_->reap();
    }
    worker_->reap();
    try_swap();
    flush_engines();
}

void BlockDevice::flush_engines() {
    if (uring_) {
        uring_->flush();
    }
    worker_->flush();
}

void BlockDevice::do_stop_queue(std::size_t queue) {
    // What waits for the rate limit goes at once: the driver waits for all of it.
    std::deque<Request*> others;
    for (auto* request : std::exchange(waiting_, {})) {
        if (request->queue() == queue) {
            run(*request);
        } else {
            others.push_back(request);
        }
    }
    waiting_ = std::move(others);
    flush_engines();
}

std::string BlockDevice::backend_name() const {
    const std::scoped_lock guard(name_lock_);
    return name_;
}

bool BlockDevice::is_write_through() const {
    return !negotiated(f_flush) || (negotiated(f_config_wce) && !state_.writeback);
}

void BlockDevice::do_config_written(std::size_t, std::span<const std::byte> bytes) {
    state_.writeback = bytes.front() != std::byte{0};
}

void BlockDevice::do_reset() {
    try_swap();
    if (!std::exchange(state_.writeback, true)) {
        const std::byte value{1};
        update_config(offsetof(Config, writeback), std::span(&value, 1));
    }
}

void BlockDevice::do_quiesce() {
    fail_swap(stopped());
    throttle_timer_.cancel();
    uring_.reset();
    worker_.reset();
    // With it goes the lock: a zone that is stopped keeps nobody from its disk.
    backend_.close();
}

} // namespace hvisor::devices::block
