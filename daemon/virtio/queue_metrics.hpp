// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/atomic.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace hvisor::virtio {

/// What has happened in one queue since the device was made: plain data that
/// its owner thread counts (notifications: TrapLoop) and anybody may look at.
struct QueueMetrics {
    /// Times from notification to completion: bucket n counts those below
    /// 2^n µs that no smaller bucket has; the last one takes the rest.
    static constexpr std::size_t latency_buckets = 24;

    Watched<std::uint64_t> notifications; ///< by the driver
    Watched<std::uint64_t> requests;      ///< chains that went back
    Watched<std::uint64_t> bytes;         ///< of payload, as the device type counts it
    Watched<std::uint64_t> errors;        ///< requests that failed
    Watched<std::uint64_t> interrupts;    ///< that the queue asked for
    std::array<Watched<std::uint64_t>, latency_buckets> latency;

    /// A copy from any thread; each number is right, together they may be a request apart.
    [[nodiscard]] QueueMetrics sample() const {
        QueueMetrics copy;
        copy.notifications.set(notifications.get());
        copy.requests.set(requests.get());
        copy.bytes.set(bytes.get());
        copy.errors.set(errors.get());
        copy.interrupts.set(interrupts.get());
        for (std::size_t i = 0; i < latency_buckets; ++i) {
            copy.latency.at(i).set(latency.at(i).get());
        }
        return copy;
    }

    void count_request(std::chrono::nanoseconds took) {
        const auto us = static_cast<std::uint64_t>(std::max<std::int64_t>(took.count(), 0)) / 1000;
        requests.add(1);
        latency[std::min<std::size_t>(static_cast<std::size_t>(std::bit_width(us)), latency_buckets - 1)].add(
            1);
    }
};

} // namespace hvisor::virtio
