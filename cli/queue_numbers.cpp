// SPDX-License-Identifier: Apache-2.0
#include "queue_numbers.hpp"

#include "format.hpp"

#include <algorithm>
#include <format>
#include <numeric>

namespace hvisor::cli {

QueueNumbers& QueueNumbers::operator+=(const QueueNumbers& other) {
    notifications += other.notifications;
    requests += other.requests;
    bytes += other.bytes;
    errors += other.errors;
    interrupts += other.interrupts;
    latency.resize(std::max(latency.size(), other.latency.size()));
    for (std::size_t i = 0; i < other.latency.size(); ++i) {
        latency[i] += other.latency[i];
    }
    return *this;
}

QueueNumbers QueueNumbers::since(const QueueNumbers& earlier) const {
    if (requests < earlier.requests || latency.size() != earlier.latency.size()) {
        return *this;
    }
    QueueNumbers difference{.notifications = notifications - earlier.notifications,
                            .requests = requests - earlier.requests,
                            .bytes = bytes - earlier.bytes,
                            .errors = errors - earlier.errors,
                            .interrupts = interrupts - earlier.interrupts,
                            .latency = latency};
    for (std::size_t i = 0; i < latency.size(); ++i) {
        difference.latency[i] -= earlier.latency[i];
    }
    return difference;
}

std::optional<std::uint64_t> QueueNumbers::quantile(double share) const {
    const auto all = std::accumulate(latency.begin(), latency.end(), std::uint64_t{0});
    std::uint64_t counted = 0;
    for (std::size_t i = 0; all != 0 && i + 1 < latency.size(); ++i) {
        counted += latency[i];
        if (static_cast<double>(counted) >= share * static_cast<double>(all)) {
            return std::uint64_t{1} << i;
        }
    }
    return std::nullopt;
}

std::vector<QueueNumbers> queue_numbers(const Object& device) {
    std::vector<QueueNumbers> numbers;
    for (const auto& queue : value_of<std::vector<Dictionary>>(device.properties, "Queues")) {
        numbers.push_back({.notifications = value_of<std::uint64_t>(queue, "Notifications"),
                           .requests = value_of<std::uint64_t>(queue, "Requests"),
                           .bytes = value_of<std::uint64_t>(queue, "Bytes"),
                           .errors = value_of<std::uint64_t>(queue, "Errors"),
                           .interrupts = value_of<std::uint64_t>(queue, "Interrupts"),
                           .latency = value_of<std::vector<std::uint64_t>>(queue, "Latency")});
    }
    return numbers;
}

std::string quantile_text(const QueueNumbers& numbers, double share) {
    const auto time = numbers.quantile(share);
    return time ? std::format("< {}", duration(*time)) : "-";
}

} // namespace hvisor::cli
