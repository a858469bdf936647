// SPDX-License-Identifier: Apache-2.0
#include "bridge_ring.h"

#include <catch2/catch_test_macros.hpp>

namespace {

/// The hypervisor's side of the ring.
struct Page : hvisor_bridge {
    Page() : hvisor_bridge{} {}

    void push(__u64 cpu, bool waits = true, __u32 zone = 1) {
        req_list[req_rear] = {};
        req_list[req_rear].src_cpu = cpu;
        req_list[req_rear].src_zone = zone;
        req_list[req_rear].need_interrupt = waits ? 0 : 1;
        req_rear = (req_rear + 1) & RING_MASK;
    }

    [[nodiscard]] __u64 all_flags() const {
        __u64 sum = 0;
        for (const __u64 flag : cfg_flags) {
            sum += flag;
        }
        return sum;
    }
};

} // namespace

TEST_CASE("an empty ring needs nothing") {
    Page page;
    page.req_front = page.req_rear = 17;
    CHECK_FALSE(ring_has_requests(&page));
    CHECK(ring_answer_requests(&page, 100) == 0);
    CHECK(ring_take_over(&page) == 0);
    CHECK(page.req_front == 17);
    CHECK(page.all_flags() == 0);
}

TEST_CASE("every waiting CPU is answered once, with 0") {
    Page page;
    page.cfg_values[2] = 0x74726976;
    page.cfg_flags[2] = 41;
    page.push(2);
    page.push(31);
    CHECK(ring_has_requests(&page));
    CHECK(ring_answer_requests(&page, 100) == 2);
    CHECK(page.cfg_flags[2] == 42);
    CHECK(page.cfg_values[2] == 0);
    CHECK(page.cfg_flags[31] == 1);
    CHECK(page.all_flags() == 43);
    CHECK_FALSE(ring_has_requests(&page));
    CHECK(ring_answer_requests(&page, 100) == 0);
    CHECK(page.all_flags() == 43);
}

TEST_CASE("a doorbell is taken off the ring and not answered") {
    Page page;
    page.push(3, false);
    CHECK(ring_answer_requests(&page, 100) == 1);
    CHECK(page.all_flags() == 0);
    CHECK_FALSE(ring_has_requests(&page));
}

TEST_CASE("a CPU beyond the page's arrays is not answered") {
    Page page;
    page.push(32);
    page.push(~0ULL);
    CHECK(ring_answer_requests(&page, 100) == 2);
    CHECK(page.all_flags() == 0);
}

TEST_CASE("a full ring that wraps is answered in turns") {
    Page page;
    page.req_front = page.req_rear = 20;
    for (__u64 cpu = 0; cpu < 31; cpu++) {
        page.push(cpu);
    }
    CHECK(ring_answer_requests(&page, 10) == 10);
    CHECK(page.req_front == 30);
    CHECK(ring_answer_requests(&page, 100) == 21);
    CHECK(page.req_front == 19);
    CHECK(page.all_flags() == 31);
}

TEST_CASE("taking over answers what the daemon left") {
    Page page;
    page.req_front = page.req_rear = 30;
    page.push(2);
    page.push(3, false);
    page.push(3);
    CHECK(ring_take_over(&page) == 2);
    CHECK(page.cfg_flags[2] == 1);
    CHECK(page.cfg_flags[3] == 1);
    CHECK_FALSE(ring_has_requests(&page));
}

TEST_CASE("taking over does not answer again what a batch answered already") {
    Page page;
    // The daemon answered the first two of CPU 2 and was killed before it
    // stored the index: the third could only be made after the second answer.
    page.push(2);
    page.push(2);
    page.push(2);
    page.cfg_flags[2] = 2;
    CHECK(ring_take_over(&page) == 1);
    CHECK(page.cfg_flags[2] == 3);
}

TEST_CASE("taking over survives an index out of range") {
    Page page;
    page.push(2);
    page.push(3);
    page.req_front = 0xdeadbeef;
    CHECK(ring_take_over(&page) == 3); // and CPU 0, which no request names: nobody waits there
    CHECK(page.cfg_flags[2] == 1);
    CHECK(page.cfg_flags[3] == 1);
    CHECK(page.req_front == page.req_rear);
}

TEST_CASE("a zone's CPUs are released and its requests left to the daemon") {
    Page page;
    page.req_front = page.req_rear = 29;
    page.push(2);
    page.push(3, false);
    page.push(4, true, 2);
    page.push(2);
    page.push(3, true);
    CHECK(ring_has_requests_of(&page, 1));
    CHECK(ring_has_requests_of(&page, 2));
    CHECK_FALSE(ring_has_requests_of(&page, 3));
    CHECK(ring_release_zone(&page, 1) == 2);
    CHECK(page.cfg_flags[2] == 1);
    CHECK(page.cfg_flags[3] == 1);
    CHECK(page.cfg_flags[4] == 0);
    CHECK(page.req_front == 29);
    CHECK(ring_has_requests_of(&page, 1));
}

TEST_CASE("taking over leaves interrupts that can be sent, and no other index") {
    Page page;
    page.res_front = 5;
    page.res_rear = 9;
    ring_take_over(&page);
    CHECK(page.res_rear == 9);
    page.res_rear = 32;
    CHECK_FALSE(ring_results_valid(&page));
    ring_take_over(&page);
    CHECK(page.res_rear == 5);
}
