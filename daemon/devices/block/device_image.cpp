// SPDX-License-Identifier: Apache-2.0
#include "devices/block/config.hpp"
#include "devices/block/device.hpp"

#include <algorithm>
#include <cstddef>
#include <format>
#include <span>
#include <utility>

// A disk's image changes while its zone runs: another size, or another image.
namespace hvisor::devices::block {

Error BlockDevice::stopped() const {
    return {ErrorCode::wrong_state, std::format("disk image {}: its zone has stopped", backend_.path())};
}

void BlockDevice::set_capacity(std::uint64_t bytes) {
    const std::uint64_t sectors = bytes / sector_size;
    if (sectors * sector_size == disk_.capacity) {
        return;
    }
    disk_.capacity = sectors * sector_size;
    capacity_.store(disk_.capacity, std::memory_order_relaxed);
    update_config(offsetof(Config, capacity), std::as_bytes(std::span(&sectors, 1)));
}

Result<std::uint64_t> BlockDevice::resize(std::uint64_t bytes) {
    Result<std::uint64_t> size;
    owner().call([this, bytes, &size] {
        turn([this, bytes, &size] {
            if (backend_.fd() < 0) {
                size = std::unexpected(stopped());
                return;
            }
            if (auto grown = bytes == 0 ? Result<void>{} : backend_.grow(bytes); !grown) {
                size = std::unexpected(std::move(grown).error());
                return;
            }
            size = backend_.refresh_size();
            if (size) {
                set_capacity(*size);
            }
        });
    });
    return size;
}

Result<std::uint64_t> BlockDevice::swap_image(std::string path, UniqueFd image) {
    auto backend = FileBackend::open(
        std::move(image),
        // The guest knows the disk by its serial number.
        {.path = std::move(path), .read_only = read_only(), .direct = disk_.bounce, .serial = serial()});
    if (!backend) {
        return std::unexpected(std::move(backend).error());
    }
    std::uint32_t told = 0;
    read_config(offsetof(Config, blk_size), std::as_writable_bytes(std::span(&told, 1)));
    if (backend->block_size() != told) {
        return fail(
            ErrorCode::invalid_config,
            "disk image {}: its blocks have {} bytes, and the zone was told {} for this disk; expected "
            "an image with such blocks, or a restart of the zone with this one",
            backend->path(), backend->block_size(), told);
    }
    std::future<Result<std::uint64_t>> done;
    owner().call([&] {
        turn([&] {
            std::promise<Result<std::uint64_t>> promise;
            done = promise.get_future();
            if (backend_.fd() < 0) {
                promise.set_value(std::unexpected(stopped()));
                return;
            }
            swap_.emplace(std::move(*backend), std::move(promise));
            try_swap();
        });
    });
    if (done.wait_for(swap_patience) == std::future_status::timeout) {
        owner().call([this] {
            turn([this] {
                if (!swap_) {
                    return; // it was done, or the zone has stopped, a moment ago
                }
                fail_swap(
                    {ErrorCode::timed_out,
                     std::format("disk image {}: it does not answer, so it cannot be taken out; what the "
                                 "zone has asked of it is not done after {} s",
                                 backend_.path(), swap_patience.count())});
                start_waiting();
            });
        });
    }
    return done.get();
}

/// Nothing of the old image is out any more: go on with the new one.
void BlockDevice::try_swap() {
    if (!swap_ || out_ != 0) {
        return;
    }
    auto swap = std::move(*swap_);
    swap_.reset();
    const bool was_running = worker_ != nullptr; // for the first driver they are started later
    uring_.reset();
    worker_.reset(); // its thread waits for work, and ends at once
    backend_.close();
    backend_ = std::move(swap.image);
    {
        const std::scoped_lock guard(name_lock_);
        name_ = backend_.path();
    }
    set_capacity(backend_.size());
    swap.done.set_value(disk_.capacity);
    if (was_running) {
        start_engines();
        start_waiting();
    }
}

void BlockDevice::fail_swap(const Error& error) {
    if (swap_) {
        swap_->done.set_value(std::unexpected(error));
        swap_.reset();
    }
}

} // namespace hvisor::devices::block
