// SPDX-License-Identifier: Apache-2.0
#include "hypervisor/simulated.hpp"
#include "temporary_directory.hpp"
#include "zone/load_images.hpp"
#include "zone_files.hpp"

#include <catch2/catch_test_macros.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>
#include <zlib.h>
#include <zstd.h>

namespace packed_images_test {

using namespace hvisor::zone;
using hvisor::hypervisor::Simulated;
using test::good_zone;

namespace {

std::string gzip(const std::string& text) {
    z_stream stream{};
    REQUIRE(::deflateInit2(&stream, 6, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    std::string packed(::deflateBound(&stream, text.size()), '\0');
    std::string input = text;
    stream.next_in = reinterpret_cast<Bytef*>(input.data());
    stream.avail_in = static_cast<uInt>(input.size());
    stream.next_out = reinterpret_cast<Bytef*>(packed.data());
    stream.avail_out = static_cast<uInt>(packed.size());
    REQUIRE(::deflate(&stream, Z_FINISH) == Z_STREAM_END);
    packed.resize(stream.total_out);
    ::deflateEnd(&stream);
    return packed;
}

/// With a checksum, as the zstd program writes it.
std::string zstd(const std::string& text) {
    const std::unique_ptr<ZSTD_CCtx, decltype(&::ZSTD_freeCCtx)> context(::ZSTD_createCCtx(),
                                                                         ::ZSTD_freeCCtx);
    REQUIRE(::ZSTD_isError(::ZSTD_CCtx_setParameter(context.get(), ZSTD_c_checksumFlag, 1)) == 0);
    std::string packed(::ZSTD_compressBound(text.size()), '\0');
    const std::size_t size =
        ::ZSTD_compress2(context.get(), packed.data(), packed.size(), text.data(), text.size());
    REQUIRE(::ZSTD_isError(size) == 0);
    packed.resize(size);
    return packed;
}

void put_u32(std::string& text, std::size_t at, std::size_t value) {
    for (std::size_t i = 0; i < 4; ++i) {
        text.at(at + i) = static_cast<char>(value >> (8 * i));
    }
}

/// What the kernel's build makes with CONFIG_EFI_ZBOOT.
std::string zboot(const std::string& packed, const char* type) {
    std::string image(0x400, '\0');
    image.replace(0, 2, "MZ").replace(4, 4, "zimg").replace(0x18, std::string_view(type).size(), type);
    put_u32(image, 0x08, image.size());
    put_u32(image, 0x0c, packed.size());
    return image + packed + "what the build adds";
}

/// An arm64 Image larger than any buffer, whose bytes do not repeat soon.
std::string kernel(std::uint64_t memory) {
    std::string image = test::arm64_image(memory);
    std::uint32_t state = 1;
    while (image.size() < (1024UL * 1024) + 4711) {
        state = state * 1664525 + 1013904223;
        image += static_cast<char>(state >> 24U);
    }
    return image;
}

struct Machine {
    test::TemporaryDirectory directory;
    Simulated hypervisor;
    std::uint64_t told_done = 0;
    std::uint64_t told_total = 0;

    /// Start's way of the images; the error, or "".
    std::string load(std::string_view image) {
        told_done = 0;
        directory.write("Image", image);
        directory.write("zone1.dtb", test::dtb());
        auto zone = read_zone_file(ConfigText{directory.path() / "z.json", std::string(good_zone)});
        REQUIRE(zone);
        const auto images = open_images(*zone, FileTable{.files = {}, .may_open = true});
        if (!images) {
            return images.error().message;
        }
        const auto loaded =
            load_images(*zone, *images, hypervisor, [this](std::uint64_t done, std::uint64_t total) {
                CHECK(done >= told_done);
                told_done = done;
                told_total = total;
                return hvisor::Result<void>();
            });
        return loaded ? "" : loaded.error().message;
    }

    [[nodiscard]] std::string kernel_ram(std::size_t size) {
        const auto ram = hypervisor.map_ram(0x50400000, 0x400000);
        REQUIRE(ram);
        return {reinterpret_cast<const char*>(ram->data()), size};
    }
};

} // namespace

TEST_CASE("a packed kernel is unpacked while it is loaded, however it is packed") {
    const std::string image = kernel(0x300000);
    for (const std::string& packed :
         {gzip(image), zstd(image), zboot(gzip(image), "gzip"), zboot(zstd(image), "zstd22")}) {
        Machine machine;
        const std::string problem = machine.load(packed);
        INFO(problem);
        CHECK(problem.empty());
        CHECK((machine.kernel_ram(image.size()) == image));
        // Progress counts what is read, and ends at the end.
        CHECK(machine.told_total > packed.size() - 0x500);
        CHECK(machine.told_done == machine.told_total);
    }
}

TEST_CASE("a packed kernel may not grow beyond what its header says") {
    const std::string image = kernel(0x100000); // and a little more than that follows
    Machine machine;
    CHECK(machine.load(gzip(image))
              .ends_with("it unpacks to more than the 0x100000 bytes that its header says"));
    CHECK(machine.load(zstd(image))
              .ends_with("it unpacks to more than the 0x100000 bytes that its header says"));
}

TEST_CASE("a packed kernel whose header promises more than the region has is refused before it is unpacked") {
    Machine machine;
    CHECK(
        machine.load(zstd(kernel(0x40000000))).contains("/kernel_load_paddr: Image takes 0x40000000 bytes"));
}

TEST_CASE("what is packed must say how large it is") {
    Machine machine;
    CHECK(machine.load(gzip(std::string(100000, 'x')))
              .ends_with("Image: it is compressed, and what is in it has no header that says how large it "
                         "is; expected it unpacked"));
    CHECK(machine.load(gzip(kernel(0x300000).replace(0x38, 4, "RSC\x05")))
              .ends_with("Image: it is a kernel for riscv64, and the zone's arch_config is for arm64"));
}

TEST_CASE("a packed kernel that is broken is told, wherever it breaks") {
    const std::string image = kernel(0x300000);
    for (const std::string& packed : {gzip(image), zstd(image)}) {
        Machine machine;
        CHECK(machine.load(packed.substr(0, packed.size() / 2))
                  .ends_with("its compressed data ends too early; copy the file once more"));
        auto broken = packed;
        broken.replace(broken.size() / 2, 64, std::string(64, '\xff'));
        CHECK(machine.load(broken).contains("data is broken"));
    }
    auto cut = zboot(gzip(image), "gzip");
    put_u32(cut, 0x0c, cut.size());
    Machine machine;
    CHECK(machine.load(cut).ends_with(
        "Image: it is a compressed EFI image (zboot) that ends too early; copy the file once more"));
}

} // namespace packed_images_test
