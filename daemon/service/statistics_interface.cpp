// SPDX-License-Identifier: Apache-2.0
#include "service/statistics_interface.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace hvisor::service {

StatisticsInterface::StatisticsInterface(const ObjectContext& context, sdbus::ObjectPath path,
                                         Sampler sampler)
    : AdaptorInterfaces(context.connection, std::move(path)), sample_(std::move(sampler)) {
    registerAdaptor();
}

StatisticsInterface::~StatisticsInterface() {
    unregisterAdaptor();
}

std::uint64_t StatisticsInterface::Accesses() {
    return sample_().accesses;
}

std::vector<Dictionary> StatisticsInterface::Queues() {
    std::vector<Dictionary> queues;
    for (const auto& queue : sample_().queues) {
        const auto& metrics = queue.metrics;
        std::vector<std::uint64_t> latency;
        latency.reserve(metrics.latency.size());
        for (const auto& bucket : metrics.latency) {
            latency.push_back(bucket.get());
        }
        queues.push_back({{"Size", sdbus::Variant(queue.size)},
                          {"Ready", sdbus::Variant(queue.ready)},
                          {"AvailIndex", sdbus::Variant(queue.avail_index)},
                          {"UsedIndex", sdbus::Variant(queue.used_index)},
                          {"Notifications", sdbus::Variant(metrics.notifications.get())},
                          {"Requests", sdbus::Variant(metrics.requests.get())},
                          {"Bytes", sdbus::Variant(metrics.bytes.get())},
                          {"Errors", sdbus::Variant(metrics.errors.get())},
                          {"Interrupts", sdbus::Variant(metrics.interrupts.get())},
                          {"Latency", sdbus::Variant(latency)}});
    }
    return queues;
}

std::uint64_t StatisticsInterface::UnacknowledgedUSec() {
    const auto age = sample_().unacknowledged;
    if (!age) {
        return 0;
    }
    const auto microseconds = std::chrono::microseconds(*age).count();
    return static_cast<std::uint64_t>(std::max<decltype(microseconds)>(microseconds, 1));
}

std::uint64_t StatisticsInterface::InterruptsSent() {
    return sample_().interrupts_sent;
}

std::uint64_t StatisticsInterface::InterruptsRepeated() {
    return sample_().interrupts_repeated;
}

} // namespace hvisor::service
