// SPDX-License-Identifier: Apache-2.0
#include "hypervisor/simulated.hpp"
#include "temporary_directory.hpp"
#include "zone/load_images.hpp"
#include "zone_files.hpp"

#include <catch2/catch_test_macros.hpp>

#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

namespace images_test {

using namespace hvisor::zone;
using hvisor::ErrorCode;
using hvisor::UniqueFd;
using hvisor::hypervisor::Simulated;
using test::changed;
using test::good_zone;

namespace {

/// A directory with the files of the good zone, which the daemon may open itself.
struct Directory {
    test::TemporaryDirectory directory;
    FileTable files{.files = {}, .may_open = true};

    Directory() {
        directory.write("Image", test::arm64_image(0x3000));
        directory.write("zone1.dtb", test::dtb());
    }

    [[nodiscard]] ZoneFile zone(const std::string& text) const {
        auto zone = read_zone_file(ConfigText{directory.path() / "z.json", text});
        REQUIRE(zone);
        return std::move(*zone);
    }

    /// Without the directory, so that a test can name the whole message.
    [[nodiscard]] std::string problems(const std::string& text,
                                       ErrorCode code = ErrorCode::invalid_config) const {
        const auto images = open_images(zone(text), files);
        REQUIRE_FALSE(images);
        CHECK(images.error().code == code);
        std::string message = images.error().message;
        const std::string prefix = directory.path().string() + "/";
        for (std::size_t at = message.find(prefix); at != std::string::npos; at = message.find(prefix)) {
            message.erase(at, prefix.size());
        }
        return message;
    }
};

constexpr std::string_view kernel_at = "z.json:10:22: /kernel_filepath: ";

} // namespace

TEST_CASE("the good images are opened and measured") {
    const Directory directory;
    const auto images = open_images(directory.zone(std::string(good_zone)), directory.files);
    INFO((images ? "" : images.error().message));
    REQUIRE(images);
    REQUIRE(images->size() == 2);
    CHECK((*images)[0].size == 64);
    CHECK((*images)[0].memory_size == 0x3000); // from the header, with its bss
    CHECK(image_sizes(*images).kernel == 64);
    CHECK(image_sizes(*images).dtb == test::dtb().size());
}

TEST_CASE("a file that cannot be used is named by file and key") {
    Directory directory;
    std::filesystem::create_directory(directory.directory.path() / "folder");
    directory.directory.write("empty", "");
    const auto with_kernel = [](const char* path) {
        return changed(good_zone, R"("Image")", std::format(R"("{}")", path));
    };
    CHECK(directory.problems(with_kernel("none"), ErrorCode::not_found) ==
          std::string(kernel_at) + "none: No such file or directory");
    CHECK(directory.problems(with_kernel("folder")) ==
          std::string(kernel_at) + "folder: this is no regular file");
    CHECK(directory.problems(with_kernel("empty")) == std::string(kernel_at) + "empty: the file is empty");
    directory.files.may_open = false;
    CHECK(directory.problems(with_kernel("Image"), ErrorCode::not_found) ==
          std::string(kernel_at) +
              "Image: the caller passed no open file for this path\n"
              "z.json:12:19: /dtb_filepath: zone1.dtb: the caller passed no open file for this path");
}

TEST_CASE("files that the caller opened are used, and stay open for the next start") {
    const Directory directory;
    FileTable passed;
    const auto open = [&](const char* name, int flags) {
        return UniqueFd(::open((directory.directory.path() / name).c_str(), flags | O_CLOEXEC));
    };
    passed.files.emplace("Image", open("Image", O_RDONLY));
    passed.files.emplace("zone1.dtb", open("zone1.dtb", O_RDWR));
    CHECK(open_images(directory.zone(std::string(good_zone)), passed));
    CHECK(open_images(directory.zone(std::string(good_zone)), passed));
    passed.files["Image"] = open("Image", O_WRONLY);
    const auto refused = open_images(directory.zone(std::string(good_zone)), passed);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message.ends_with("Image: the caller opened it without the right to read"));
}

TEST_CASE("a kernel that no CPU can start in is found out") {
    using namespace std::string_view_literals;
    struct Case {
        std::string content;
        const char* message;
    };
    const std::string riscv = test::arm64_image(0).replace(0x38, 4, "RSC\x05");
    const std::string loongarch =
        test::arm64_image(0).replace(0, 2, "MZ").replace(0x38, 4, "\xcd\x23\x82\x81");
    const std::string bzimage = std::string(0x240, '\0').replace(0x202, 4, "HdrS");
    for (const Case& test : {
             Case{std::string("\x1f\x8b\x08\x00"sv),
                  "its compressed data ends too early; copy the file once more"},
             Case{std::string("\x28\xb5\x2f\xfd\x00"sv),
                  "its compressed data ends too early; copy the file once more"},
             Case{std::string("MZ\0\0zimg"sv),
                  "it is a compressed EFI image (zboot) that neither gzip nor zstd unpacks; "
                  "expected the Image that is packed in it"},
             Case{"\x7f"
                  "ELF\x02",
                  "it is an ELF file (vmlinux); expected the raw Image"},
             Case{riscv, "it is a kernel for riscv64, and the zone's arch_config is for arm64"},
             Case{loongarch, "it is a kernel for loongarch64, and the zone's arch_config is for arm64"},
             Case{bzimage, "it is a kernel for x86_64, and the zone's arch_config is for arm64"},
         }) {
        const Directory directory;
        directory.directory.write("Image", test.content);
        CHECK(directory.problems(std::string(good_zone)) ==
              std::string(kernel_at) + "Image: " + test.message);
    }
    const Directory directory;
    directory.directory.write("zone1.dtb", "/dts-v1/;\n");
    CHECK(
        directory.problems(std::string(good_zone)) ==
        "z.json:12:19: /dtb_filepath: zone1.dtb: it is no device tree blob; expected what dtc -O dtb writes");
    // A raw binary of another system has no mark at all.
    directory.directory.write("zone1.dtb", test::dtb());
    directory.directory.write("Image", "\x13");
    CHECK(open_images(directory.zone(std::string(good_zone)), directory.files));
}

TEST_CASE("images lie in RAM, and apart") {
    const Directory directory;
    SECTION("a kernel that needs more than its region has") {
        directory.directory.write("Image", test::arm64_image(0x2fc00001));
        CHECK(directory.problems(std::string(good_zone)) ==
              "z.json:11:24: /kernel_load_paddr: Image takes 0x2fc00001 bytes from 0x50400000 on and the RAM "
              "region ends after "
              "0x2fc00000; load it lower, or enlarge the region");
    }
    SECTION("a header that lies about the size") {
        directory.directory.write("Image", test::arm64_image(UINT64_MAX));
        CHECK(directory.problems(std::string(good_zone)).contains("Image takes 0xffffffffffffffff bytes"));
    }
    SECTION("a device tree in the kernel's bss") {
        const auto text =
            changed(good_zone, R"("dtb_load_paddr": "0x50000000")", R"("dtb_load_paddr": "0x50402000")");
        CHECK(directory.problems(text) ==
              "z.json:13:21: /dtb_load_paddr: zone1.dtb at 0x50402000, size 0x48, overlaps Image at "
              "0x50400000, size 0x3000; load them apart");
    }
}

TEST_CASE("images of more than a chunk arrive whole") {
    const Directory directory;
    std::string kernel = test::arm64_image(0);
    for (std::size_t i = kernel.size(); i < (2 * 1024 * 1024) + 17; ++i) {
        kernel += static_cast<char>((i * 31) >> 3U);
    }
    directory.directory.write("Image", kernel);
    const ZoneFile zone = directory.zone(std::string(good_zone));
    const auto images = open_images(zone, directory.files);
    REQUIRE(images);
    Simulated hypervisor;
    REQUIRE(load_images(zone, *images, hypervisor));
    const auto ram = hypervisor.map_ram(0x50000000, 0x1000000);
    REQUIRE(ram);
    const auto bytes = [&ram](std::size_t offset, std::size_t size) {
        return std::string_view(reinterpret_cast<const char*>(ram->data()) + offset, size);
    };
    CHECK(bytes(0, test::dtb().size()) == test::dtb());
    CHECK(bytes(0x400000, kernel.size()) == kernel);

    SECTION("and one that shrinks while it is read is told") {
        std::filesystem::resize_file(directory.directory.path() / "Image", 1024UL * 1024);
        const auto loaded = load_images(zone, *images, hypervisor);
        REQUIRE_FALSE(loaded);
        CHECK(loaded.error().message.ends_with("z.json:11:24: /kernel_load_paddr: loading Image to "
                                               "0x50400000: the file became shorter while it was read"));
    }
}

TEST_CASE("memory that the hypervisor does not give is named by file and key") {
    const Directory directory;
    const ZoneFile zone = directory.zone(std::string(good_zone));
    const auto images = open_images(zone, directory.files);
    REQUIRE(images);
    Simulated hypervisor({.ram_address = 0x60000000, .ram_size = 0x10000000});
    const auto loaded = load_images(zone, *images, hypervisor);
    REQUIRE_FALSE(loaded);
    CHECK(loaded.error().message.contains("z.json:11:24: /kernel_load_paddr: loading Image to 0x50400000: "));
}

TEST_CASE("the command line of x86_64 has its place beside the images") {
    std::ifstream file(std::string(CONFIGS) + "/x86_64/qemu/linux2.json");
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    Directory directory;
    for (const char* name : {"vmlinux.bin", "boot.bin", "setup.bin"}) {
        directory.directory.write(name, "image");
    }
    const auto images = open_images(directory.zone(text), directory.files);
    INFO((images ? "" : images.error().message));
    REQUIRE(images);
    REQUIRE(images->size() == 4);
    CHECK(images->back().file.role == ImageRole::cmdline);
    CHECK(images->back().made.back() == std::byte{0});

    const auto at = [&](const char* address) {
        return directory.problems(changed(text, R"("cmdline_load_hpa": "0x4030c000")",
                                          std::string(R"("cmdline_load_hpa": ")") + address + "\""));
    };
    CHECK(
        at("0x40400000").contains("/arch_config/cmdline_load_hpa: the command line at 0x40400000, size 0x"));
    CHECK(at("0x40400000").contains("overlaps vmlinux.bin at 0x40400000, size 0x5; load them apart"));
    CHECK(at("0x80000000")
              .contains("/arch_config/cmdline_load_hpa: the command line at 0x80000000 lies in no RAM"));
}

} // namespace images_test
