// SPDX-License-Identifier: Apache-2.0
#include "zone/diagnosis.hpp"

#include <catch2/catch_test_macros.hpp>

#include <vector>

namespace diagnosis_test {

using namespace hvisor::zone;
using namespace std::chrono_literals;

namespace {

DeviceState device(std::uint32_t status, std::string last_register, std::uint64_t accesses) {
    DeviceState state;
    state.id = "block-a003c00";
    state.type = "block";
    state.address = 0xa003c00;
    state.length = 0x200;
    state.interrupt = 78;
    state.status = status;
    state.last_register = std::move(last_register);
    state.accesses = accesses;
    return state;
}

std::string sentence(const std::vector<DeviceState>& devices, std::chrono::milliseconds running = 10s) {
    return diagnose({.zone = "linux2", .running = running, .has_virtio_regions = false, .has_gic = true},
                    devices);
}

const DeviceState working = device(0xf, "QueueNotify", 100);

} // namespace

TEST_CASE("a zone that works, that boots still, or that has no devices, gets no diagnosis") {
    CHECK(sentence({working}).empty());
    CHECK(sentence({device(0, "", 0)}, 9999ms).empty());
    CHECK(sentence({}).empty());
    DeviceState busy = working;
    busy.unacknowledged = 1999ms;
    CHECK(sentence({busy}).empty());
}

TEST_CASE("a zone that was started without its virtio file is told so") {
    const DiagnosisInput input{.zone = "linux2", .running = 10s, .has_virtio_regions = true, .has_gic = true};
    CHECK(diagnose(input, {}) ==
          "zone linux2 has regions of the type \"virtio\" and no devices in them: start it "
          "together with its virtio configuration (hvisorctl zone start ZONE.json --virtio "
          "VIRTIO.json)");
}

TEST_CASE("a guest that touches nothing has another device tree, or does not run") {
    CHECK(sentence({device(0, "", 0), device(0, "", 0)}) ==
          "the guest of zone linux2 has touched none of its devices: either it does not run (look at "
          "kernel_load_paddr, "
          "entry_point and its console), or its device tree has no \"virtio,mmio\" node at address 0xa003c00 "
          "with size 0x200, "
          "or its kernel no virtio_mmio driver (CONFIG_VIRTIO_MMIO)");
    CHECK(sentence({working, device(0, "", 0)}) ==
          "the guest has never touched the block device: its device tree has no \"virtio,mmio\" node at "
          "address 0xa003c00 with "
          "size 0x200, or its kernel no virtio_mmio driver (CONFIG_VIRTIO_MMIO)");
}

TEST_CASE("the status says how far a driver came") {
    CHECK(sentence({device(0, "VendorID", 4)}) ==
          "the guest's driver has not taken the block device at 0xa003c00 into use (status 0x0, last "
          "register VendorID): the "
          "guest's kernel looked at the device and left it; its log says why, and its node in the device "
          "tree may lack the "
          "interrupt 78 (SPI 46)");
    CHECK(sentence({device(1, "Status", 6)}) ==
          "the guest's driver has not taken the block device at 0xa003c00 into use (status 0x1, last "
          "register Status): the guest "
          "has found the device but has no driver for it (CONFIG_VIRTIO_BLK, virtio_blk), or cannot load it");
    for (const auto& [type, driver] : {std::pair{"console", "CONFIG_VIRTIO_CONSOLE, virtio_console"},
                                       std::pair{"entropy", "CONFIG_HW_RANDOM_VIRTIO, virtio_rng"},
                                       std::pair{"input", "CONFIG_VIRTIO_INPUT, virtio_input"},
                                       std::pair{"net", "CONFIG_VIRTIO_NET, virtio_net"},
                                       std::pair{"vsock", "CONFIG_VIRTIO_VSOCKETS, "
                                                          "vmw_vsock_virtio_transport"}}) {
        auto other = device(1, "Status", 6);
        other.type = type;
        CHECK(sentence({other}).contains(driver));
    }
    CHECK(sentence({device(3, "DeviceFeatures", 10)}) ==
          "the guest's driver has not taken the block device at 0xa003c00 into use (status 0x3, last "
          "register DeviceFeatures): it "
          "did not accept the device's features; the guest's kernel log says why");
    CHECK(sentence({device(0xb, "QueueReady", 30)}) ==
          "the guest's driver has not taken the block device at 0xa003c00 into use (status 0xb, last "
          "register QueueReady): it "
          "stopped while it set up its queues; look at the guest's kernel log, and whether interrupt 78 (SPI "
          "46) is the one in "
          "its device tree");
    CHECK(sentence({device(0x8f, "Status", 30)}) ==
          "the guest's driver gave up on the block device at 0xa003c00 (status 0x8f, last register Status); "
          "the guest's kernel "
          "log says why");
    DeviceState unusable = device(0x4f, "QueueNotify", 30);
    unusable.reset_reason = "queue 0: it names more buffers than it has";
    CHECK(sentence({unusable}) ==
          "the block device at 0xa003c00 does nothing until the guest's driver resets it (queue 0: it names "
          "more buffers than it has); restarting the zone helps");
}

TEST_CASE("an interrupt that is never acknowledged is a wrong number in the guest's device tree") {
    DeviceState deaf = working;
    deaf.unacknowledged = 12345ms;
    deaf.interrupts_sent = 1;
    deaf.interrupts_repeated = 190;
    CHECK(sentence({deaf}) == "the guest does not see interrupt 78 (SPI 46) of the block device at "
                              "0xa003c00, sent 191 times and not acknowledged for "
                              "12 s: its device tree names another interrupt for this address, or masks it");
    CHECK(diagnose({.zone = "linux2", .running = 10s, .has_virtio_regions = true, .has_gic = false},
                   std::vector{deaf})
              .starts_with("the guest does not see interrupt 78 of the block device"));
}

} // namespace diagnosis_test
