// SPDX-License-Identifier: Apache-2.0
#include "hypervisor/simulated.hpp"
#include "temporary_directory.hpp"
#include "zone/device_tree.hpp"
#include "zone/load_images.hpp"
#include "zone_files.hpp"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace made_images_test {

using namespace hvisor::zone;
using hvisor::hypervisor::Simulated;
using test::changed;

namespace {

/// The good zone of one file, which wants its device tree made.
std::string generating() {
    return changed(test::good_one_file, R"("clear_ram": true)", R"("clear_ram": false)");
}

struct Machine {
    test::TemporaryDirectory directory;
    Simulated hypervisor;
    std::vector<OpenImage> images;

    Machine() {
        directory.write("Image", test::arm64_image(0x3000));
        directory.write("zone1.dtb", test::dtb());
        directory.write("initrd.gz", std::string(0x1234, 'i'));
    }

    std::string load(const std::string& text) {
        const auto zone = read_zone_file(ConfigText{directory.path() / "z.json", text});
        if (!zone) {
            return zone.error().message;
        }
        auto opened = open_images(*zone, FileTable{.files = {}, .may_open = true});
        if (!opened) {
            return opened.error().message;
        }
        images = std::move(*opened);
        const auto loaded = load_images(*zone, images, hypervisor);
        return loaded ? "" : loaded.error().message;
    }

    [[nodiscard]] std::vector<std::byte> ram(std::uint64_t address, std::size_t size) {
        const auto mapping = hypervisor.map_ram(address, (size + 4095) / 4096 * 4096);
        REQUIRE(mapping);
        return {mapping->data(), mapping->data() + size};
    }
};

} // namespace

TEST_CASE("a generated device tree is loaded like one from a file") {
    Machine machine;
    const auto problem = machine.load(generating());
    INFO(problem);
    REQUIRE(problem.empty());
    const ImageSizes sizes = image_sizes(machine.images);
    REQUIRE(sizes.dtb > 0x100);
    const auto tree = read_device_tree(machine.ram(0x50000000, sizes.dtb));
    REQUIRE(tree);
    CHECK(tree->bootargs == "console=hvc0 root=/dev/vda");
    CHECK(tree->cpus.size() == 2);
    CHECK(tree->virtio.size() == 2);
    CHECK((machine.ram(0x58000000, 0x1234) == std::vector<std::byte>(0x1234, std::byte{'i'})));
}

TEST_CASE("a generated device tree has to have its place") {
    Machine machine;
    CHECK(machine
              .load(changed(generating(), R"("dtb_load_paddr": "0x50000000")",
                            R"("dtb_load_paddr": "0x50402000")"))
              .contains("the generated device tree at 0x50402000, size "));
    CHECK(
        machine
            .load(changed(generating(), R"("dtb_load_paddr": "0x50000000")",
                          R"("dtb_load_paddr": "0x10000000")"))
            .ends_with(
                "the generated device tree at 0x10000000 lies in no RAM region; expected an address in one"));
    CHECK(machine.load(changed(generating(), "0x58000000", "0x7ffff000"))
              .contains("4660 bytes from 0x7ffff000 on do not lie in one RAM region"));
}

TEST_CASE("a device tree to patch that is none is named by file and key") {
    Machine machine;
    const auto text =
        changed(generating(), R"("dtb": "generate",)", R"("dtb": "patch", "dtb_filepath": "zone1.dtb",)");
    machine.directory.write("zone1.dtb", test::dtb().substr(0, 60)); // the mark is there
    const auto problem = machine.load(text);
    INFO(problem);
    CHECK(problem.contains("/dtb_filepath: zone1.dtb: it is no sound device tree blob"));
}

TEST_CASE("RAM is cleared before anything is loaded, where the zone wants that") {
    Machine machine;
    const auto dirty = [&] {
        const auto ram = machine.hypervisor.map_ram(0x50000000, 0x1000000);
        REQUIRE(ram);
        std::fill_n(ram->data(), ram->size(), std::byte{0xaa});
    };
    dirty();
    REQUIRE(machine.load(generating()).empty());
    CHECK(machine.ram(0x50a00000, 1)[0] == std::byte{0xaa});
    dirty();
    REQUIRE(machine.load(std::string(test::good_one_file)).empty());
    CHECK(std::ranges::all_of(machine.ram(0x50a00000, 0x1000),
                              [](std::byte byte) { return byte == std::byte{0}; }));
    CHECK(image_sizes(machine.images).dtb > 0);
    CHECK(read_device_tree(machine.ram(0x50000000, image_sizes(machine.images).dtb)));
}

} // namespace made_images_test
