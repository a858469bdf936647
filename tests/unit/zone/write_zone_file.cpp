// SPDX-License-Identifier: Apache-2.0
#include "zone/write_zone_file.hpp"

#include "reading.hpp"
#include "zone/print_json.hpp"
#include "zone_text.hpp"

#include <catch2/catch_test_macros.hpp>

#include <format>
#include <string>

namespace write_zone_file_test {

using namespace hvisor::zone;
using test::changed;
using test::good_one_file;
using test::good_virtio;
using test::good_zone;
using test::read_zone;

TEST_CASE("upstream's two files become one that says the same") {
    const auto virtio = read_virtio_config(ConfigText{"v.json", std::string(good_virtio)});
    REQUIRE(virtio);
    const std::string text =
        write_zone_file(read_zone(std::string(good_zone)), virtio->config.zones.at(0).devices);
    const ZoneFile zone = read_zone(text);
    CHECK(zone.form == Form::one_file);
    CHECK(zone.start.dtb == DtbSource::file);
    CHECK(zone.config.memory_regions.size() == 3);
    CHECK(zone.config.memory_regions[2].physical_start == 0xa003c00);
    REQUIRE(zone.devices.size() == 2);
    CHECK(zone.devices[1].block.image == "disk.img");
    CHECK(text.starts_with("{\n    \"name\": \"linux2\",\n    \"zone_id\": 1,\n    \"arch\": \"arm64\",\n"
                           "    \"cpus\": [2, 3],\n"));
}

TEST_CASE("writing a zone and reading it again changes nothing") {
    std::string text = changed(
        good_one_file, R"("irq": 76)",
        R"("irq": 76, "journal": true, "ports": [ { "name": "a\"b" }, { "name": "c", "console": true } ])");
    text = changed(text, R"("disk.img")",
                   R"("disk.img", "readonly": true, "direct": true, "serial": "S", "queues": 4,
                      "rate_limit": { "bytes_per_second": 5, "requests_per_second": 6, "requests_burst": 7 })");
    text = changed(
        text, R"("devices": [)",
        R"("devices": [ { "type": "rng", "addr": "0xa003000", "len": "0x200", "irq": 76, "rate_limit": { "bytes_per_second": 4 } },
                      { "type": "vsock", "addr": "0xa003400", "len": "0x200", "irq": 76, "cid": 4294967294 },
                      { "type": "gpu", "addr": "0xa003600", "len": "0x200", "irq": 76, "card": "card1", "renderer": "virgl", "memory": "0x200000",
                        "resources": 9, "displays": [ { "connector": "DP-1" }, { "width": 1920, "height": 1080 } ] },
                      { "type": "input", "addr": "0xa002e00", "len": "0x200", "irq": 76, "model": "tablet" },
                      { "type": "input", "addr": "0xa002c00", "len": "0x200", "irq": 76, "model": "evdev", "path": "/dev/input/event7",
                        "grab": false },
                      { "type": "net", "addr": "0xa003200", "len": "0x200", "irq": 78, "tap": "t", "mac": [2,0,0,0,0,255],
                        "bridge": "br0", "mtu": 9000, "queue_pairs": 2, "rate_limit": { "receive": { "frames_per_second": 9 } } },)");
    text = changed(text, R"("zone_id": 1,)",
                   R"("zone_id": 1, "modules": [ { "filepath": "m", "load_paddr": "0x59000000" } ],
                      "ivc_configs": [ { "ivc_id": 3, "peer_id": 1, "control_table_ipa": "0xd0000000",
                        "shared_mem_ipa": "0xd0001000", "rw_sec_size": 0, "out_sec_size": "0x1000", "interrupt_num": 66, "max_peers": 2 } ],)");
    const ZoneFile zone = read_zone(text);
    const std::string once = write_zone_file(zone, zone.devices);
    const ZoneFile again = read_zone(once);
    CHECK(write_zone_file(again, again.devices) == once);
    CHECK(again.start.cmdline == zone.start.cmdline);
    CHECK(again.start.restart == RestartPolicy::on_failure);
    CHECK(again.start.clear_ram);
    CHECK(again.start.dtb == DtbSource::generate);
    CHECK(again.config.ivc_configs.at(0).interrupt_num == 66);
    CHECK(again.config.images.size() == zone.config.images.size());
    REQUIRE(again.devices.size() == 8);
    CHECK(again.devices[0].entropy_limit.bytes.rate == 4);
    CHECK(again.devices[1].cid == 4294967294);
    const GpuConfig& gpu = again.devices[2].gpu;
    CHECK(gpu.card == "/dev/dri/card1");
    CHECK(gpu.memory == 0x200000);
    CHECK(gpu.resources == 9);
    CHECK(gpu.is_3d);
    REQUIRE(gpu.displays.size() == 2);
    CHECK(gpu.displays[0].connector == "DP-1");
    CHECK(gpu.displays[1].height == 1080);
    CHECK(again.devices[3].input.model == InputModel::tablet);
    CHECK(again.devices[3].input.grab);
    CHECK(again.devices[4].input.model == InputModel::evdev);
    CHECK(again.devices[4].input.path == "/dev/input/event7");
    CHECK_FALSE(again.devices[4].input.grab);
    CHECK(again.devices[5].net.mac[5] == 255);
    CHECK(again.devices[5].net.receive.operations.rate == 9);
    CHECK(again.devices[5].net.mtu == 9000);
    CHECK(again.devices[6].journal);
    CHECK(again.devices[6].ports.at(0).name == "a\"b");
    CHECK(again.devices[6].ports.at(1).is_console);
    CHECK(again.devices[7].block.limit.operations.burst == 7);
    CHECK(again.devices[7].block.serial == "S");
    CHECK(again.devices[7].block.direct);
}

TEST_CASE("a headless screen and upstream's are written as they were read") {
    const auto again = [](const char* keys) {
        const ZoneFile zone =
            read_zone(changed(good_one_file, R"("console",)", std::format(R"("gpu"{},)", keys)));
        return read_zone(write_zone_file(zone, zone.devices)).devices.at(0).gpu;
    };
    const GpuConfig headless =
        again(R"(, "backend": "headless", "width": 640, "height": 480, "refresh": 30)");
    CHECK(headless.backend == GpuBackend::headless);
    REQUIRE(headless.displays.size() == 1);
    CHECK(headless.displays[0].width == 640);
    CHECK(headless.displays[0].refresh == 30);
    CHECK(again(R"(, "backend": "headless", "displays": [ {}, {} ])").displays.size() == 2);
    const GpuConfig plain = again("");
    CHECK(plain.backend == GpuBackend::drm);
    REQUIRE(plain.displays.size() == 1);
    CHECK(plain.displays[0].width == 0);
    CHECK(plain.memory == 268435456);
}

TEST_CASE("a merged zone is printed with the file and line of each part, as JSON that can be read again") {
    auto document =
        JsonDocument::parse(ConfigText{"a", "{ \"cpus\": [1],\n \"arch_config\": { \"x\": 1, \"y\": [] } }"});
    auto patch = JsonDocument::parse(ConfigText{"b", R"({ "arch_config": { "y": "2\n" }, "name": "n" })"});
    REQUIRE(document);
    REQUIRE(patch);
    document->merge(std::move(*patch));
    const std::string text = print_with_origins(*document);
    CHECK(text == "{\n"
                  "    \"cpus\": [1], // a:1:11\n"
                  "    \"arch_config\": {\n"
                  "        \"x\": 1, // a:2:24\n"
                  "        \"y\": \"2\\u000a\" // b:1:25\n"
                  "    },\n"
                  "    \"name\": \"n\" // b:1:42\n"
                  "}\n");
    CHECK(JsonDocument::parse(ConfigText{"c", text}));
}

} // namespace write_zone_file_test
