// SPDX-License-Identifier: Apache-2.0
#include "bridge_side.hpp"

namespace selftest {

alignas(4096) BridgePage bridge;

void reset_bridge() {
    bridge = {};
    CHECK_EQUAL(hvc(virtio_init, reinterpret_cast<std::uint64_t>(&bridge)), 0);
}

bool next_request(Request& request) {
    if (!wait_until([] { return load(bridge.request_front) != load(bridge.request_rear); })) {
        return false;
    }
    const std::uint32_t front = bridge.request_front;
    request = bridge.requests[front];
    store(bridge.request_front, (front + 1) % 32);
    return true;
}

bool ring_holds(std::uint32_t requests) {
    return wait_until(
        [requests] { return (load(bridge.request_rear) - bridge.request_front) % 32 == requests; });
}

void answer(const Request& request, std::uint64_t value) {
    store(bridge.values[request.cpu], value);
    store(bridge.flags[request.cpu], bridge.flags[request.cpu] + 1);
}

void publish_interrupt(std::uint32_t zone, std::uint32_t interrupt) {
    const std::uint32_t rear = bridge.result_rear;
    bridge.results[rear] = {zone, interrupt};
    store(bridge.result_rear, (rear + 1) % 32);
}

std::int64_t inject(std::uint32_t zone, std::uint32_t interrupt) {
    publish_interrupt(zone, interrupt);
    return hvc(virtio_inject);
}

} // namespace selftest
