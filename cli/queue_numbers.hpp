// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "client.hpp"
#include "objects.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace hvisor::cli {

/// What a queue has counted since its zone's start, or in some time.
struct QueueNumbers {
    std::uint64_t notifications = 0;
    std::uint64_t requests = 0;
    std::uint64_t bytes = 0;
    std::uint64_t errors = 0;
    std::uint64_t interrupts = 0;
    /// Element n: requests that took less than 2^n microseconds and more than those before; the last, the
    /// rest.
    std::vector<std::uint64_t> latency;

    QueueNumbers& operator+=(const QueueNumbers& other);
    /// What has been added since `earlier`; a zone that was started in between begins anew.
    [[nodiscard]] QueueNumbers since(const QueueNumbers& earlier) const;
    /// The time that this share of the requests took less than, in microseconds;
    /// nothing where there were none, or it is longer than is measured.
    [[nodiscard]] std::optional<std::uint64_t> quantile(double share) const;
};

/// The queues of a device, in their order.
[[nodiscard]] std::vector<QueueNumbers> queue_numbers(const Object& device);

/// quantile() for people: "< 16 us", or "-".
[[nodiscard]] std::string quantile_text(const QueueNumbers& numbers, double share);

} // namespace hvisor::cli
