// SPDX-License-Identifier: Apache-2.0
#include "reading.hpp"
#include "zone/file_references.hpp"
#include "zone/virtio_config.hpp"
#include "zone_text.hpp"

#include <catch2/catch_test_macros.hpp>
#include <format>
#include <string>

namespace read_virtio_config_test {

using namespace hvisor::zone;
using test::changed;
using test::good_virtio;
using test::good_zone;
using test::read_virtio;
using test::virtio_refusal;

TEST_CASE("a good virtio file becomes the model") {
    const VirtioConfig config = read_virtio(std::string(good_virtio));
    REQUIRE(config.zones.size() == 1);
    const VirtioZone& zone = config.zones[0];
    CHECK(config.zone(1) == &zone);
    CHECK(config.zone(2) == nullptr);
    REQUIRE(zone.memory.size() == 1);
    CHECK(zone.memory[0].size == 0x30000000);
    CHECK(zone.memory[0].pointer == "/zones/0/memory_region/0");
    REQUIRE(zone.devices.size() == 2);
    CHECK(zone.devices[0].type == DeviceType::console);
    CHECK(zone.devices[1].type == DeviceType::block);
    CHECK(zone.devices[1].address == 0xa003c00);
    CHECK(zone.devices[1].interrupt == 78);
    CHECK(zone.devices[1].block.image == "disk.img");
    CHECK(zone.devices[1].pointer == "/zones/0/devices/1");
}

TEST_CASE("what is wrong with a virtio file is said with its place, key and what belongs there") {
    struct Change {
        const char* from;
        const char* to;
        const char* message;
    };
    const Change changes[] = {
        {R"("zones")", R"("zone")",
         "v.json:1:1: /zones: this key is missing; expected an array of zones with their devices"},
        {R"("id": 1)", R"("id": 32)", "v.json:1:22: /zones/0/id: 32 is too large; expected at most 31"},
        {R"("id": 1)", R"("id": 0)",
         "v.json:1:22: /zones/0/id: zone 0 is the root zone, which has its devices from the machine; "
         "expected 1 to 31"},
        {R"("zonex_ipa": "0x50000000", )", "",
         "v.json:2:22: /zones/0/memory_region/0/zonex_ipa: this key is missing; expected a number such as "
         "4096 or "
         "\"0x1000\""},
        {R"("type": "console", )", "",
         R"(v.json:4:5: /zones/0/devices/0/type: this key is missing; expected "blk", "console", "gpu", "input", "net", "rng" or "vsock")"},
        {R"("console")", R"("scmi")",
         "v.json:4:15: /zones/0/devices/0/type: this version has no scmi device; expected \"blk\", "
         "\"console\", \"gpu\", \"input\", \"net\", \"rng\" or \"vsock\", or the "
         "status \"disable\" for this device"},
        {R"("console")", R"("tty")",
         "v.json:4:15: /zones/0/devices/0/type: \"tty\" is no type of device; expected \"blk\", \"console\", "
         "\"gpu\", \"input\", \"net\", \"rng\" or \"vsock\""},
        {R"("0xa003800")", "0", "v.json:4:34: /zones/0/devices/0/addr: this is 0; expected a number above 0"},
        {"76", "4294967296",
         "v.json:4:70: /zones/0/devices/0/irq: 4294967296 is above 2147483647, which upstream's tool "
         "would take instead; write it as a string, in decimal or as \"0x...\""},
        {"76", R"("0x100000000")",
         "v.json:4:70: /zones/0/devices/0/irq: 0x100000000 is too large; expected at most 4294967295"},
        {R"(, "status": "enable" },)", "},",
         R"(v.json:4:5: /zones/0/devices/0/status: this key is missing; expected "enable" or "disable")"},
        {R"("img": "disk.img", )", "",
         "v.json:5:5: /zones/0/devices/1/img: this key is missing; expected the path of a disk image or "
         "block device"},
        {"disk.img", "",
         "v.json:5:77: /zones/0/devices/1/img: the path is empty; expected the path of a disk image or block "
         "device"},
        {R"("zones": [)", R"("zones": [ {"id": 1, "memory_region": [], "devices": []},)",
         "v.json:1:61: /zones/1: zone 1 is described a second time; expected one element a zone"},
    };
    for (const Change& change : changes) {
        INFO(change.from << " -> " << change.to);
        CHECK(virtio_refusal(changed(good_virtio, change.from, change.to)) == change.message);
    }
}

TEST_CASE("an entropy device needs no more than what all have") {
    const VirtioConfig config = read_virtio(changed(good_virtio, R"("console")", R"("rng")"));
    CHECK(config.zones[0].devices[0].type == DeviceType::entropy);
    CHECK(config.zones[0].devices[0].interrupt == 76);
    CHECK(config.zones[0].devices[0].entropy_limit == hvisor::Throttle::Settings{});
}

TEST_CASE("an entropy device may have a rate limit") {
    const auto limited = [](const char* limit) {
        return changed(good_virtio, R"("console")", std::format(R"("rng", "rate_limit": {})", limit));
    };
    const auto config = read_virtio(limited(R"({ "bytes_per_second": 4096, "requests_per_second": 10 })"));
    const auto& limit = config.zones[0].devices[0].entropy_limit;
    CHECK(limit.bytes.rate == 4096);
    CHECK(limit.operations.rate == 10);
    CHECK(virtio_refusal(limited("{}")).contains("/rate_limit: nothing is limited here"));
}

TEST_CASE("a socket device has a cid of its own") {
    const auto with_cid = [](const char* cid) {
        return changed(good_virtio, R"("console")", std::format(R"("vsock", "cid": {})", cid));
    };
    const auto config = read_virtio(with_cid("3"));
    CHECK(config.zones[0].devices[0].type == DeviceType::vsock);
    CHECK(config.zones[0].devices[0].cid == 3);
    CHECK(read_virtio(with_cid(R"("0xfffffffe")")).zones[0].devices[0].cid == 0xfffffffe);
    CHECK(virtio_refusal(changed(good_virtio, R"("console")", R"("vsock")"))
              .contains(
                  "/zones/0/devices/0/cid: this key is missing; expected the zone's address for sockets, 3 "
                  "to 4294967294"));
    CHECK(virtio_refusal(with_cid("2"))
              .contains("/cid: the cid 2 is not for guests; expected 3 to 4294967294"));
    CHECK(virtio_refusal(with_cid(R"("0xffffffff")"))
              .contains("/cid: 0xffffffff is too large; expected at most 4294967294"));
}

TEST_CASE("two zones have different cids, and no zone has two") {
    const auto zone = [](unsigned id, const char* devices) {
        return std::format(R"({{ "id": {}, "memory_region": [], "devices": [ {} ] }})", id, devices);
    };
    constexpr auto three =
        R"({ "type": "vsock", "addr": 4096, "len": 512, "irq": 40, "cid": 3, "status": "enable" })";
    constexpr auto four =
        R"({ "type": "vsock", "addr": 8192, "len": 512, "irq": 41, "cid": 4, "status": "enable" })";
    const auto file = [](const std::string& zones) { return std::format(R"({{ "zones": [ {} ] }})", zones); };
    CHECK(read_virtio(file(zone(1, three) + "," + zone(2, four))).zones.size() == 2);
    CHECK(virtio_refusal(file(zone(1, three) + "," + zone(2, three)))
              .ends_with(
                  "/zones/1/devices/0/cid: the cid 3 is zone 1's already; expected one of its own for every "
                  "zone"));
    CHECK(virtio_refusal(file(zone(1, (std::string(three) + "," + four).c_str())))
              .ends_with("/zones/0/devices: there are several vsock devices; expected at most one a zone"));
}

TEST_CASE("a console may be logged") {
    const auto with_journal = [](const char* journal) {
        return changed(good_virtio, R"("irq": 76,)", std::format(R"("irq": 76, "journal": {},)", journal));
    };
    CHECK_FALSE(read_virtio(std::string(good_virtio)).zones[0].devices[0].journal);
    CHECK_FALSE(read_virtio(with_journal("false")).zones[0].devices[0].journal);
    CHECK(read_virtio(with_journal("true")).zones[0].devices[0].journal);
    CHECK(virtio_refusal(with_journal(R"("yes")")).contains("/journal: expected true or false"));
}

TEST_CASE("a console may have further ports") {
    const auto with_ports = [](const char* ports) {
        return changed(good_virtio, R"("irq": 76,)", std::string(R"("irq": 76, "ports": )") + ports + ",");
    };
    CHECK(read_virtio(std::string(good_virtio)).zones[0].devices[0].ports.empty());
    const auto config =
        read_virtio(with_ports(R"([ { "name": "org.example.agent" }, { "name": "log", "console": true } ])"));
    const auto& ports = config.zones[0].devices[0].ports;
    REQUIRE(ports.size() == 2);
    CHECK(ports[0].name == "org.example.agent");
    CHECK_FALSE(ports[0].is_console);
    CHECK(ports[1].is_console);

    CHECK(virtio_refusal(with_ports("3")).contains("/ports: expected an array of ports"));
    CHECK(virtio_refusal(with_ports("[ 3 ]")).contains("/ports/0: expected an object with name"));
    CHECK(virtio_refusal(with_ports("[ {} ]")).contains("/ports/0/name: this key is missing"));
    for (const auto* name : {"", ".", "..", "a/b", "a b", "a\\u0001b"}) {
        INFO(name);
        CHECK(virtio_refusal(with_ports(std::format(R"([ {{ "name": "{}" }} ])", name).c_str()))
                  .contains("/ports/0/name: expected 1 to 64 printable characters"));
    }
    CHECK(virtio_refusal(with_ports(R"([ { "name": "a" }, { "name": "a" } ])"))
              .contains("/ports/1/name: a port called a is there already"));
    CHECK(virtio_refusal(with_ports(R"([ { "name": "a", "console": "yes" } ])"))
              .contains("/ports/0/console: expected true or false"));
    std::string many = R"([ { "name": "1" })";
    for (int i = 2; i <= 7; ++i) {
        many += std::format(R"(, {{ "name": "{}" }})", i);
    }
    CHECK(virtio_refusal(with_ports((many + "]").c_str()))
              .contains("there are 7 elements; expected at most 6"));
}

TEST_CASE("a disabled device is not looked at") {
    const VirtioConfig config = read_virtio(changed(
        good_virtio, R"("console", "addr": "0xa003800", "len": "0x200", "irq": 76, "status": "enable")",
        R"("scmi", "status": "disable")"));
    REQUIRE(config.zones[0].devices.size() == 1);
    CHECK(config.zones[0].devices[0].pointer == "/zones/0/devices/1");
}

TEST_CASE("a memory region of size 0 is skipped, as upstream does") {
    CHECK(read_virtio(changed(good_virtio, R"("0x30000000")", "0")).zones[0].memory.empty());
}

TEST_CASE("the files a configuration names are listed for hvisorctl") {
    const auto virtio = referenced_files(ConfigText{"v.json", std::string(good_virtio)});
    REQUIRE(virtio);
    REQUIRE(virtio->size() == 1);
    CHECK(virtio->front().path == "disk.img");
    CHECK(virtio->front().writable);
    CHECK(virtio->front().location == "v.json:5:77: /zones/0/devices/1/img");

    const auto zone = referenced_files(ConfigText{
        "z.json", changed(good_zone, R"("pci_config": [])",
                          R"("modules": [ { "name": "a", "filepath": "initrd", "load_paddr": "0x58000000" },
                                          { "name": "b", "filepath": "Image", "load_paddr": "0x5a000000" } ])")});
    REQUIRE(zone);
    REQUIRE(zone->size() == 3);
    CHECK((*zone)[0].path == "Image");
    CHECK_FALSE((*zone)[0].writable);
    CHECK((*zone)[1].pointer == "/dtb_filepath");
    CHECK((*zone)[2].path == "initrd");

    CHECK_FALSE(referenced_files(ConfigText{"z.json", "{"}));
    CHECK_FALSE(referenced_files(ConfigText{"z.json", "{}"}));
}

} // namespace read_virtio_config_test
