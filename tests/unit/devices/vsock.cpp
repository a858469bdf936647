// SPDX-License-Identifier: Apache-2.0
#include "kit/captured_log.hpp"
#include "vsock_rig.hpp"

#include <catch2/catch_test_macros.hpp>
#include <filesystem>

namespace vsock_test {

using namespace hvisor;
using namespace hvisor::devices::vsock;
using kit::ChainBuilder;
using kit::eventually;
using kit::FakeVhost;
using virtio::FeatureBit;
using virtio::FeatureSet;

namespace {

std::string error_of(const std::shared_ptr<FakeVhost>& kernel) {
    const kit::Ram ram(0x40000000, 4096);
    std::vector<guest::Region> regions;
    regions.push_back(ram.region());
    const auto memory = *guest::GuestMemory::create(std::move(regions));
    const auto vhost = VhostVsock::create(FakeVhost::open(kernel), cid, memory);
    REQUIRE(!vhost);
    return vhost.error().message;
}

} // namespace

TEST_CASE("a socket device shows its cid, and offers what the kernel can do with split rings") {
    const VsockRig rig;
    CHECK(rig.driver.get(virtio::Register::device_id) == 19);
    CHECK(rig.driver.config<std::uint32_t>(0) == cid);
    CHECK(rig.driver.config<std::uint32_t>(4) == 0);
    CHECK(rig.driver.offered() == FeatureSet{f_seqpacket, FeatureBit::ring_indirect_desc,
                                             FeatureBit::ring_event_idx, FeatureBit::version_1});

    auto old = std::make_shared<FakeVhost>();
    old->features = 1ULL << 32;
    CHECK(VsockRig(plain, old).driver.offered() == plain);
    // What a later kernel may learn was never tried.
    auto young = std::make_shared<FakeVhost>();
    young->features = UINT64_MAX;
    const auto offered = VsockRig(plain, young).driver.offered();
    CHECK(offered == rig.driver.offered());
}

TEST_CASE("the kernel gets the cid, all of the guest's memory, and the rings where this process sees them") {
    VsockRig rig(with_event_idx);
    CHECK(rig.kernel->cid() == cid);
    const auto memory = rig.kernel->memory();
    REQUIRE(memory.size() == 1);
    CHECK(memory[0].guest_phys_addr == VsockRig::ram_address);
    CHECK(memory[0].memory_size == rig.ram.size());
    const auto host = reinterpret_cast<std::uintptr_t>(rig.ram.region().host());
    CHECK(memory[0].userspace_addr == host);
    CHECK(!rig.kernel->is_running());

    rig.start();
    REQUIRE(rig.runs());
    CHECK(rig.kernel->negotiated() == with_event_idx.bits());
    for (const auto index : {receive_queue, transmit_queue}) {
        const auto& queue = *rig.queues[index];
        const auto ring = rig.kernel->ring(index);
        CHECK(ring.desc_user_addr - host == queue.descriptors() - VsockRig::ram_address);
        CHECK(ring.avail_user_addr - host == queue.driver_area() - VsockRig::ram_address);
        CHECK(ring.used_user_addr - host == queue.device_area() - VsockRig::ram_address);
    }
}

TEST_CASE("memory in several regions reaches the kernel whole") {
    const kit::Ram low(0x40000000, 8192);
    const kit::Ram high(0x80000000, 4096);
    std::vector<guest::Region> regions;
    regions.push_back(low.region());
    regions.push_back(high.region());
    const auto memory = *guest::GuestMemory::create(std::move(regions));
    const auto kernel = std::make_shared<FakeVhost>();
    REQUIRE(VhostVsock::create(FakeVhost::open(kernel), cid, memory));
    REQUIRE(kernel->memory().size() == 2);
    CHECK(kernel->memory()[1].guest_phys_addr == 0x80000000);
    CHECK(kernel->memory()[1].memory_size == 4096);
    CHECK(kernel->memory()[1].userspace_addr == reinterpret_cast<std::uintptr_t>(high.region().host()));
}

TEST_CASE("packets go both ways, each with its notification and its interrupt") {
    for (const auto features : {plain, with_event_idx}) {
        VsockRig rig(features);
        rig.start();
        for (int i = 0; i < 40; ++i) {
            REQUIRE(rig.send("from the guest"));
            REQUIRE(rig.receive("to the guest"));
        }
        const auto& sent = rig.device.queue_state(transmit_queue).metrics;
        CHECK(sent.notifications.get() == 40);
        CHECK(sent.interrupts.get() == 40);
        CHECK(rig.device.queue_state(receive_queue).metrics.interrupts.get() == 40);
        CHECK(sent.requests.get() == 0); // only the kernel knows
        CHECK(!rig.needs_reset());
    }
}

TEST_CASE("what was made available before DRIVER_OK is sent without a further notification") {
    VsockRig rig;
    auto& queue = *rig.queues[transmit_queue];
    ChainBuilder chain(queue);
    const auto head = chain.readable("early").add();
    rig.start();
    CHECK(VsockRig::comes_back(queue, head, rig.driver));
}

TEST_CASE("buffers of the event queue wait for an event") {
    VsockRig rig;
    rig.start();
    ChainBuilder(*rig.queues[event_queue]).writable(4).add();
    rig.driver.kick(event_queue);
    REQUIRE(rig.send("after it"));
    CHECK(!rig.queues[event_queue]->has_used());
    CHECK(!rig.needs_reset());
}

TEST_CASE("a reset is answered when the kernel has stopped, and everything works again") {
    VsockRig rig;
    rig.start();
    REQUIRE(rig.send("one"));
    REQUIRE(rig.send("two"));
    rig.driver.reset();
    CHECK(!rig.kernel->is_running());
    CHECK(rig.driver.get(virtio::Register::status) == 0);
    CHECK(rig.device.queue_state(transmit_queue).indices.next_avail() == 2);

    for (int i = 0; i < 5; ++i) {
        rig.restart();
        CHECK(rig.send("again"));
        CHECK(rig.receive("again"));
    }
}

TEST_CASE("a queue that is taken away stops the kernel") {
    VsockRig rig;
    rig.start();
    REQUIRE(rig.runs());
    rig.driver.set(virtio::Register::queue_sel, transmit_queue);
    rig.driver.set(virtio::Register::queue_ready, 0);
    CHECK(!rig.kernel->is_running());
    CHECK(rig.driver.get(virtio::Register::queue_ready) == 0);
    rig.restart();
    CHECK(rig.send("again"));
}

TEST_CASE("what the kernel cannot work with costs the driver a reset, and the kernel stops") {
    VsockRig rig;
    rig.start();
    REQUIRE(rig.runs());
    // An avail index further ahead than the queue is long.
    rig.ram.store<std::uint16_t>(rig.queues[transmit_queue]->driver_area() + 2, 1000);
    rig.driver.kick(transmit_queue);
    REQUIRE(eventually([&] { return rig.needs_reset(); }));
    CHECK(eventually([&] { return !rig.kernel->is_running(); }));
    CHECK((rig.driver.get(virtio::Register::interrupt_status) & virtio::interrupt_config_change) != 0);
    rig.restart();
    CHECK(!rig.needs_reset());
    CHECK(rig.send("again"));
}

TEST_CASE("a buffer outside of the guest's memory costs the driver a reset") {
    VsockRig rig;
    rig.start();
    ChainBuilder(*rig.queues[receive_queue]).at(0x1000, 64, kit::desc_write).add();
    rig.driver.kick(receive_queue);
    rig.kernel->deliver(kit::to_bytes("nowhere"));
    CHECK(eventually([&] { return rig.needs_reset(); }));
}

TEST_CASE("an error that comes after the reset is nobody's") {
    VsockRig rig;
    rig.start();
    REQUIRE(rig.runs());
    rig.driver.reset();
    rig.kernel->report_error(transmit_queue);
    rig.settle();
    rig.settle();
    CHECK(!rig.needs_reset());
}

TEST_CASE("DRIVER_OK without both queues needs a reset, which is answered") {
    VsockRig rig;
    REQUIRE(rig.driver.negotiate(plain));
    REQUIRE(rig.driver.set_up_queue(receive_queue, *rig.queues[receive_queue]));
    rig.driver.start();
    REQUIRE(eventually([&] { return rig.needs_reset(); }));
    CHECK(!rig.kernel->is_running());
    rig.restart();
    CHECK(rig.send("whole"));
}

TEST_CASE("a kernel that refuses to start is told to the driver, and tried again after a reset") {
    VsockRig rig;
    rig.kernel->refused = VHOST_SET_VRING_ADDR;
    rig.start();
    REQUIRE(eventually([&] { return rig.needs_reset(); }));
    CHECK(!rig.kernel->is_running());
    rig.kernel->refused = 0;
    rig.restart();
    CHECK(rig.send("again"));
}

TEST_CASE("a kernel that does not stop does not keep the driver from its reset") {
    VsockRig rig;
    rig.start();
    REQUIRE(rig.runs());
    rig.kernel->refused = VHOST_GET_VRING_BASE;
    rig.driver.reset();
    CHECK(rig.driver.get(virtio::Register::status) == 0);
}

TEST_CASE("a driver that starts and resets a device whose kernel part fails fills no log") {
    VsockRig rig;
    rig.start();
    rig.kernel->refused = VHOST_GET_VRING_BASE;
    const kit::CapturedLog log;
    for (unsigned i = 0; i < 4 * RateLimit::burst; ++i) {
        REQUIRE(rig.runs());
        rig.restart();
    }
    CHECK(log.lines() <= RateLimit::burst);
}

TEST_CASE("an interrupt from the kernel that gets lost is sent again") {
    for (const auto features : {plain, with_event_idx}) {
        VsockRig rig(features);
        rig.start();
        auto& queue = *rig.queues[transmit_queue];
        queue.want_interrupts(true);
        ChainBuilder(queue).readable("lost").add();
        rig.driver.kick(transmit_queue);
        // Nobody acknowledges.
        REQUIRE(rig.port.wait_for_injections(3));
        CHECK(rig.device.interrupt().repeated() >= 2);
        rig.driver.acknowledge();
        if (features.has(FeatureBit::ring_event_idx)) {
            // It acknowledged a bit and has not looked: used_event is where it was.
            const auto before = rig.port.injections();
            CHECK(rig.port.wait_for_injections(before + 1));
        }
    }
}

TEST_CASE("a zone that stops lets go of its cid when the kernel has stopped") {
    VsockRig rig;
    rig.start();
    REQUIRE(rig.runs());
    CHECK(rig.kernel->is_open());
    rig.device.quiesce();
    CHECK(!rig.kernel->is_running());
    rig.device.disconnect();
    CHECK(!rig.kernel->is_open());
    // Registers are answered as before, and notifications lead nowhere.
    CHECK(rig.driver.get(virtio::Register::device_id) == 19);
    rig.driver.kick(transmit_queue);
    rig.settle();
    rig.driver.reset();
    CHECK(rig.driver.get(virtio::Register::status) == 0);
}

TEST_CASE("a cid that somebody has is named") {
    const auto kernel = std::make_shared<FakeVhost>();
    kernel->taken_cid = cid;
    CHECK(error_of(kernel) ==
          "the cid 42 belongs to another zone, or to a virtual machine of the root zone; expected one of its "
          "own, 3 to 4294967294");
}

TEST_CASE("what the kernel refuses at the beginning is named") {
    const auto kernel = std::make_shared<FakeVhost>();
    kernel->refused = VHOST_SET_MEM_TABLE;
    CHECK(error_of(kernel) == "the kernel's vhost-vsock refuses VHOST_SET_MEM_TABLE: Bad address");
    CHECK(!kernel->is_open());

    const auto old = std::make_shared<FakeVhost>();
    old->features = 1ULL << 28;
    CHECK(error_of(old).contains("without VIRTIO_F_VERSION_1"));
}

TEST_CASE("a root zone without the module is told its name") {
    if (std::filesystem::exists("/dev/vhost-vsock")) {
        SKIP("this machine has /dev/vhost-vsock");
    }
    const auto file = open_vhost_file();
    REQUIRE(!file);
    CHECK(file.error().code == ErrorCode::not_found);
    CHECK(file.error().message ==
          "/dev/vhost-vsock is not there; load the root zone's module for sockets with "
          "`modprobe vhost_vsock`");
}

} // namespace vsock_test
