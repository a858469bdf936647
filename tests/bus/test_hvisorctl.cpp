// SPDX-License-Identifier: Apache-2.0
#include "bus_client.hpp"
#include "daemon.hpp"

#include <catch2/catch_test_macros.hpp>
#include <fcntl.h>
#include <filesystem>
#include <string>
#include <unistd.h>
#include <vector>

namespace hvisor::test {
namespace {

void check_success(const Finished& finished) {
    INFO(finished.errors);
    CHECK(finished.status == 0);
    CHECK(finished.errors.empty());
}

/// It failed with this status, and with one line of which `parts` are parts.
void check_failure(const Finished& finished, int status, const std::vector<std::string>& parts = {}) {
    INFO(finished.errors);
    CHECK(finished.status == status);
    CHECK(finished.errors.starts_with("hvisorctl: "));
    CHECK(finished.output.empty());
    for (const auto& part : parts) {
        CAPTURE(part);
        CHECK(finished.errors.contains(part));
    }
}

TEST_CASE("hvisorctl prints the device tree that a zone gets", "[hvisorctl]") {
    const Daemon daemon;
    const auto& files = daemon.files();
    // The zone of two files in one.
    const auto text = ZoneFiles::zone_json({{R"("dtb_filepath": "null",)", R"("dtb": "generate",)"},
                                            {R"("alloc_pci_devs": [])", R"("alloc_pci_devs": [], "devices": [
      { "type": "console", "addr": "0xa003800", "len": "0x200", "irq": 76 } ])"}});
    const auto made = daemon.ctl({"config", "dtb", files.write("made.json", text)});
    check_success(made);
    CHECK(made.output.starts_with("\xd0\x0d\xfe\xed"));
    CHECK(made.output.contains("virtio,mmio"));

    check_failure(daemon.ctl({"config", "dtb", files.path("zone.json")}), 3,
                  {"zone.json", "this zone gets no device tree"});
    check_failure(daemon.ctl({"config", "dtb", "nobody-there"}), 3,
                  {"there is no nobody-there.json in /etc/hvisor/zones"});
}

TEST_CASE("hvisorctl starts, lists, shows and shuts down", "[hvisorctl]") {
    const Daemon daemon;
    const auto& files = daemon.files();

    check_success(
        daemon.ctl({"zone", "start", files.path("zone.json"), "--virtio", files.path("virtio.json")}));

    const auto list = daemon.ctl({"zone", "list"});
    check_success(list);
    CHECK(list.output == "ID  NAME        STATE    CPUS\n"
                         " 0  root-linux  running  0-1\n"
                         " 1  guest1      running  2-3\n");

    for (const auto* zone : {"guest1", "1"}) {
        const auto show = daemon.ctl({"zone", "show", zone});
        check_success(show);
        CHECK(show.output.starts_with("guest1 (zone 1)\n"));
        CHECK(show.output.contains("running"));
        CHECK(show.output.contains("console-a003800"));
        CHECK(show.output.contains("block-a003c00"));
        CHECK(show.output.contains("RESET (0x0)"));
        CHECK(show.output.contains("disk.img"));
    }

    const auto resized = daemon.ctl({"device", "resize", "guest1", "block-a003c00", "3M"});
    check_success(resized);
    CHECK(resized.output == "3145728 bytes\n");
    CHECK(std::filesystem::file_size(files.path("disk.img")) == 3145728);
    check_failure(daemon.ctl({"device", "resize", "guest1", "block-a003c00", "1M"}), 8,
                  {"disk.img", "3145728"});
    check_failure(daemon.ctl({"device", "resize", "guest1", "block-0", "4M"}), 3,
                  {"block-0", "block-a003c00"});
    check_failure(daemon.ctl({"device", "resize", "guest1", "console-a003800"}), 3,
                  {"console-a003800", "no disk"});

    check_success(daemon.ctl({"zone", "shutdown", "guest1"}));
    CHECK(daemon.ctl({"zone", "list"}).output.contains("guest1      stopped"));
}

TEST_CASE("upstream's order and spelling work", "[hvisorctl]") {
    const Daemon daemon;
    const auto& files = daemon.files();
    for (const std::vector<std::string>& shutdown :
         {std::vector<std::string>{"-id", "1"}, {"--id", "1"}, {"1"}, {"guest1"}}) {
        check_success(daemon.ctl({"virtio", "start", files.path("virtio.json")}));
        check_success(daemon.ctl({"zone", "start", files.path("zone.json")}));
        CHECK(daemon.ctl({"zone", "show", "1"}).output.contains("block-a003c00"));
        std::vector<std::string> command = {"zone", "shutdown"};
        command.insert(command.end(), shutdown.begin(), shutdown.end());
        check_success(daemon.ctl(command));
    }
}

TEST_CASE("relative paths count from the configuration's folder", "[hvisorctl]") {
    const Daemon daemon;
    const auto& files = daemon.files();
    std::filesystem::create_directory(files.path("images"));
    std::filesystem::rename(files.path("Image"), files.path("images/Image"));
    const auto zone = files.write("zone.json", ZoneFiles::zone_json({{"./Image", "images/Image"}}));
    check_success(daemon.ctl({"zone", "start", zone, "--virtio", files.path("virtio.json")}));
}

TEST_CASE("a configured zone is started by its name alone", "[hvisorctl]") {
    const Daemon daemon;
    write_file(daemon.files().path("configured/camera.json"), ZoneFiles::zone_json());
    check_success(daemon.ctl({"zone", "start", "camera"}));
    check_failure(daemon.ctl({"zone", "start", "nobody"}), 3, {"nobody"});
}

TEST_CASE("hvisorctl says what is wrong with a file, where, and exits accordingly", "[hvisorctl]") {
    const Daemon daemon;
    const auto& files = daemon.files();
    const auto start = [&](const std::string& path) {
        return daemon.ctl({"zone", "start", path, "--virtio", files.path("virtio.json")});
    };
    check_failure(start(files.path("none.json")), 3, {files.path("none.json"), "No such file"});
    check_failure(start(files.write("bad.json", "{")), 8, {files.path("bad.json")});
    check_failure(start(files.write("id.json", ZoneFiles::zone_json({{"\"zone_id\": 1", "\"zone_id\": 0"}}))),
                  8, {files.path("id.json"), "zone_id"});
    check_failure(start(files.write("kernel.json", ZoneFiles::zone_json({{"./Image", "./None"}}))), 3,
                  {files.path("kernel.json"), "kernel_filepath", "None", "No such file"});
    check_failure(start(files.write("cpus.json", ZoneFiles::zone_json({{"[2, 3]", "[0]"}}))), 7,
                  {files.path("cpus.json"), "cpus"});

    write_file(files.path("virtio.json"), ZoneFiles::virtio_json({{"disk.img", "none.img"}}));
    check_failure(start(files.path("zone.json")), 3,
                  {files.path("virtio.json"), "img", "none.img", "No such file"});
    check_failure(daemon.ctl({"virtio", "start", files.path("virtio.json")}), 3, {"none.img"});
    check_failure(daemon.ctl({"zone", "shutdown", "nobody"}), 3, {"nobody"});
    check_failure(daemon.ctl({"zone", "show", "7"}), 3, {"7"});
    check_failure(daemon.ctl({"zone", "shutdown", "0"}), 7, {"root"});
    CHECK(daemon.ctl({"zone", "list"}).output.ends_with("root-linux  running  0-1\n"));
}

TEST_CASE("upstream's two files become one that starts by itself", "[hvisorctl]") {
    const Daemon daemon;
    const auto& files = daemon.files();
    const auto one = files.path("one.json");
    check_success(
        daemon.ctl({"config", "import", files.path("zone.json"), files.path("virtio.json"), "--to", one}));
    check_success(daemon.ctl({"zone", "start", one}));
    CHECK(daemon.ctl({"zone", "show", "guest1"}).output.contains("block"));
    check_success(daemon.ctl({"zone", "shutdown", "guest1"}));
    check_failure(daemon.ctl({"zone", "start", one, "--virtio", files.path("virtio.json")}), 8,
                  {one, "the zone's devices are in this file"});
    check_failure(daemon.ctl({"config", "import", one}), 8, {one, "in one file already"});
}

TEST_CASE("a device that an import leaves out is named", "[hvisorctl]") {
    const Daemon daemon;
    const auto& files = daemon.files();
    write_file(files.path("virtio.json"), ZoneFiles::virtio_json({{R"("disk.img", "status": "enable")",
                                                                   R"("disk.img", "status": "disable")"}}));
    const auto import = daemon.ctl({"config", "import", files.path("zone.json"), files.path("virtio.json")});
    CHECK(import.status == 0);
    CHECK(import.errors.contains(files.path("virtio.json:")));
    CHECK(import.errors.contains("/zones/0/devices/1: this device is disabled"));
    CHECK_FALSE(import.output.contains("disk.img"));
}

TEST_CASE("a configured zone is started with its drop-ins", "[hvisorctl]") {
    const Daemon daemon;
    const auto& files = daemon.files();
    check_success(daemon.ctl({"config", "import", files.path("zone.json"), files.path("virtio.json"), "--to",
                              files.path("configured/camera.json")}));
    std::filesystem::create_directory(files.path("configured/camera.json.d"));
    write_file(files.path("configured/camera.json.d/name.json"), R"({ "name": "front-camera" })");
    check_success(daemon.ctl({"zone", "start", "camera"}));
    CHECK(daemon.ctl({"zone", "list"}).output.contains("front-camera"));
    write_file(files.path("configured/camera.json.d/zzz.json"), R"({ "nam": "x" })");
    check_failure(daemon.ctl({"zone", "start", "camera"}), 8, {"zzz.json:1:10: /nam: there is no such key"});
}

TEST_CASE("files are checked without a daemon", "[hvisorctl]") {
    Daemon daemon;
    CHECK(daemon.stop() == 0);
    const auto& files = daemon.files();
    const auto good = daemon.ctl({"config", "check", files.path("zone.json"), files.path("virtio.json")});
    INFO(good.errors);
    CHECK(good.status == 0);
    CHECK(good.output == "no problem in 2 files, 1 zone\n");
    CHECK(good.errors.contains("not looked at: this machine"));

    const auto path =
        files.write("bad.json", ZoneFiles::zone_json({{R"("zone_id")", R"("devices": [], "zone_di")"}}));
    const auto bad = daemon.ctl({"config", "check", path});
    CHECK(bad.status == 8);
    CHECK(bad.output.empty());
    CHECK(bad.errors.contains("/zone_di: there is no such key; did you mean zone_id?\n"));

    const auto schema = daemon.ctl({"config", "schema"});
    CHECK(schema.status == 0);
    CHECK(schema.output.starts_with("{\n  \"$schema\": \"http://json-schema.org/draft-04/schema#\""));
}

TEST_CASE("devices are set in upstream's spelling of 2024", "[hvisorctl]") {
    const Daemon daemon;
    const auto& files = daemon.files();
    const std::string disk = "blk,addr=0xa003c00,len=0x200,irq=78,zone_id=1,img=" + files.path("disk.img");
    check_success(daemon.ctl(
        {"virtio", "start", "--device", disk, "--device", "console,addr=a003800,len=200,irq=76,zone_id=1"}));
    check_success(daemon.ctl({"zone", "start", files.path("zone.json")}));
    const auto shown = daemon.ctl({"zone", "show", "guest1"});
    CHECK(shown.output.contains("block"));
    CHECK(shown.output.contains("console"));
    const auto device = [&](const std::string& text) {
        return daemon.ctl({"virtio", "start", "--device", text});
    };
    check_success(device("net,addr=0xa003600,len=0x200,irq=75,zone_id=1,tap=tap0"));
    check_failure(device("gpu,addr=1"), 8, {"\"gpu\" is no type of device"});
    check_failure(device("blk,addr=1,len=200,irq=1,zone_id=1,tap=x"), 8, {"\"tap=x\" is no option of it"});
    check_failure(device("blk,len=200,irq=1,zone_id=1"), 8,
                  {"expected addr=N with a hexadecimal number above 0"});
    check_failure(device("console,addr=1,len=200,irq=0x1,zone_id=1"), 8,
                  {"expected irq=N with a decimal number"});
    check_failure(device("blk,addr=a003c00,len=200,irq=78,zone_id=1"), 8, {"img: this key is missing"});
    check_failure(daemon.ctl({"virtio", "start"}), 2);
}

TEST_CASE("files that the caller may not open stay closed", "[hvisorctl]") {
    if (geteuid() == 0) {
        SKIP("root may open everything");
    }
    const Daemon daemon;
    const auto& files = daemon.files();
    std::filesystem::permissions(files.path("disk.img"), std::filesystem::perms::owner_read);
    check_failure(
        daemon.ctl({"zone", "start", files.path("zone.json"), "--virtio", files.path("virtio.json")}), 4,
        {files.path("virtio.json"), "disk.img", "Permission denied"});
}

TEST_CASE("wrong usage is told apart", "[hvisorctl]") {
    const Daemon daemon;
    check_failure(daemon.ctl({}), 2);
    check_failure(daemon.ctl({"zone"}), 2);
    check_failure(daemon.ctl({"zone", "explode"}), 2);
    check_failure(daemon.ctl({"zone", "shutdown"}), 2);
    check_failure(daemon.ctl({"zone", "start", "camera", "--virtio", "x.json"}), 2, {"--virtio"});
    for (const auto* option : {"--help", "--version"}) {
        const auto told = daemon.ctl({option});
        check_success(told);
        CHECK(told.output.contains("hvisorctl"));
    }
}

TEST_CASE("without a daemon hvisorctl says so", "[hvisorctl]") {
    Daemon daemon;
    CHECK(daemon.stop() == 0);
    check_failure(daemon.ctl({"zone", "list"}), 5, {"hvisord"});
    check_failure(daemon.ctl({"--bus=unix:path=/nonexistent/bus", "zone", "list"}), 5, {"hvisord"});
}

TEST_CASE("a console without a terminal ends after its input", "[hvisorctl]") {
    const Daemon daemon;
    const auto& files = daemon.files();
    check_success(
        daemon.ctl({"zone", "start", files.path("zone.json"), "--virtio", files.path("virtio.json")}));
    const auto input = open(files.write("input", "uname\n").c_str(), O_RDONLY | O_CLOEXEC);
    check_success(
        daemon.ctl({"zone", "console", "guest1", "--device", "console-a003800", "--replay", "100"}, input));
    close(input);
    check_failure(daemon.ctl({"zone", "console", "guest1", "--device", "console-0"}), 3, {"console-0"});
    check_failure(daemon.ctl({"zone", "console", "root-linux"}), 3, {"root-linux"});
}

} // namespace
} // namespace hvisor::test
