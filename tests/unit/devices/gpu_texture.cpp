// SPDX-License-Identifier: Apache-2.0
// How large textures are, and where their parts lie.
#include "devices/gpu/texel_formats.hpp"
#include "devices/gpu/texture.hpp"

#include <catch2/catch_test_macros.hpp>

#include <cstdint>

namespace gpu_texture_test {

using namespace hvisor;
using namespace hvisor::devices::gpu;

namespace {

constexpr std::uint32_t dxt1 = 105;
constexpr std::uint32_t astc_10x8 = 289;
constexpr std::uint32_t nv12 = 166;
constexpr std::uint32_t rgba8 = 67;

render::Shape shape(std::uint32_t format, std::uint32_t width, std::uint32_t height) {
    return {.target = 2,
            .format = format,
            .bind = 0,
            .width = width,
            .height = height,
            .depth = 1,
            .array_size = 1,
            .last_level = 0,
            .samples = 0,
            .flags = 0};
}

TransferHost3d whole(std::uint32_t width, std::uint32_t height, std::uint32_t depth = 1) {
    return {.box = {.x = 0, .y = 0, .z = 0, .width = width, .height = height, .depth = depth},
            .offset = 0,
            .resource_id = 1,
            .level = 0,
            .stride = 0,
            .layer_stride = 0};
}

} // namespace

TEST_CASE("texture: formats have the bytes that their names say") {
    const auto bytes = [](std::uint32_t format) { return texel_block(format)->bytes; };
    CHECK(bytes(1) == 4);    // B8G8R8A8_UNORM
    CHECK(bytes(7) == 2);    // B5G6R5_UNORM
    CHECK(bytes(27) == 32);  // R64G64B64A64_FLOAT
    CHECK(bytes(30) == 12);  // R32G32B32_FLOAT
    CHECK(bytes(64) == 1);   // R8_UNORM
    CHECK(bytes(66) == 3);   // R8G8B8_UNORM
    CHECK(bytes(94) == 8);   // R16G16B16A16_FLOAT
    CHECK(bytes(126) == 8);  // Z32_FLOAT_S8X24_UINT
    CHECK(bytes(200) == 16); // R32G32B32A32_SINT
    CHECK(texel_block(dxt1)->bytes == 8);
    CHECK(texel_block(dxt1)->width == 4);
    CHECK(texel_block(astc_10x8)->width == 10);
    CHECK(texel_block(astc_10x8)->height == 8);
    CHECK(texel_block(306)->width == 12); // ASTC_12x12_SRGB
    for (const std::uint32_t unknown : {0U, nv12, 73U, 307U, 400U, 511U, UINT32_MAX}) {
        CHECK_FALSE(texel_block(unknown));
    }
}

TEST_CASE("texture: a size counts blocks, levels, layers and samples") {
    CHECK(texture_size(shape(rgba8, 10, 10)) == 400);
    CHECK(texture_size(shape(dxt1, 9, 5)) == 3 * 2 * 8);
    auto levels = shape(rgba8, 8, 2);
    levels.last_level = 3;
    CHECK(texture_size(levels) == 4 * (16 + 4 + 2 + 1));
    auto samples = shape(rgba8, 10, 10);
    samples.samples = 4;
    CHECK(texture_size(samples) == 1600);
    auto layers = shape(rgba8, 10, 10);
    layers.target = 7;
    layers.array_size = 5;
    CHECK(texture_size(layers) == 2000);
    // The largest that is not refused, with a format that is not known, fits in 64 bits.
    auto largest = shape(nv12, 16384, 16384);
    largest.depth = largest.array_size = 2048;
    largest.samples = 32;
    largest.last_level = 14;
    CHECK(*texture_size(largest) > std::uint64_t{1} << 60);
}

TEST_CASE("texture: rows, levels and layers lie where virglrenderer looks for them") {
    auto levels = shape(rgba8, 64, 32);
    levels.last_level = 3;
    auto transfer = whole(8, 4);
    transfer.level = 3;
    const auto small = transfer_pieces(levels, transfer, 8 * 4 * 4);
    REQUIRE(small);
    CHECK(small->stride == 32);
    CHECK(small->bytes() == 128);
    CHECK_FALSE(transfer_pieces(levels, transfer, 8 * 4 * 4 - 1));

    auto volume = shape(rgba8, 4, 4);
    volume.target = 3;
    volume.depth = 4;
    const auto layers = transfer_pieces(volume, whole(2, 2, 4), 4 * 4 * 4 * 4);
    REQUIRE(layers);
    CHECK(layers->layer_stride == 64);
    CHECK(layers->layers == 4);
    CHECK(layers->bytes() == 2 * 2 * 4 * 4);
    auto near = whole(2, 2, 4);
    near.layer_stride = 23; // 16 + 8 bytes a layer
    CHECK_FALSE(transfer_pieces(volume, near, 4096));
    near.layer_stride = 24;
    CHECK(transfer_pieces(volume, near, 4096));
    near.layer_stride = UINT32_MAX;
    CHECK_FALSE(transfer_pieces(volume, near, 4096));

    // Blocks that are begun count.
    const auto blocks = transfer_pieces(shape(dxt1, 9, 9), whole(9, 9), 72);
    REQUIRE(blocks);
    CHECK(blocks->rows == 3);
    CHECK(blocks->row == 24);

    // Of what is not known all is meant that is there.
    auto planes = whole(8, 8);
    planes.offset = 10;
    CHECK(transfer_pieces(shape(nv12, 8, 8), planes, 100)->bytes() == 90);
    planes.offset = 101;
    CHECK_FALSE(transfer_pieces(shape(nv12, 8, 8), planes, 100));
}

} // namespace gpu_texture_test
