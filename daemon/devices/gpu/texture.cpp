// SPDX-License-Identifier: Apache-2.0
#include "devices/gpu/texture.hpp"

#include "base/checked.hpp"
#include "devices/gpu/canvas.hpp"
#include "devices/gpu/texel_formats.hpp"

#include <algorithm>

namespace hvisor::devices::gpu {
namespace {

/// Gallium's numbers (enum pipe_texture_target).
constexpr std::uint32_t target_buffer = 0;
constexpr std::uint32_t target_3d = 3;
constexpr std::uint32_t last_target = 8;

/// No driver of Mesa's makes more; all sizes fit in 64 bits with these.
constexpr std::uint32_t max_layers = 2048;
constexpr std::uint32_t max_level = 14; ///< where max_side has become 1
constexpr std::uint32_t max_samples = 32;

/// Of a format that is not known: the largest texel there is.
constexpr TexelBlock largest_block{.bytes = 32};

constexpr std::uint32_t at_level(std::uint32_t side, std::uint32_t level) {
    return std::max(side >> level, 1U);
}

constexpr std::uint64_t blocks(std::uint32_t texels, std::uint32_t block) {
    return (std::uint64_t{texels} + block - 1) / block;
}

constexpr bool is_inside(std::uint32_t begin, std::uint32_t length, std::uint32_t whole) {
    return begin <= whole && length <= whole - begin;
}

} // namespace

Outcome<std::uint64_t> texture_size(const render::Shape& shape) {
    if (shape.target > last_target || shape.format >= texel_formats) {
        return refuse(Response::err_invalid_parameter, "there is no such target, or no such format");
    }
    if (shape.width == 0 || shape.height == 0 || shape.depth == 0 || shape.array_size == 0) {
        return refuse(Response::err_invalid_parameter, "it has no size");
    }
    if (shape.target == target_buffer) {
        // Its width is in bytes.
        if (shape.height != 1 || shape.depth != 1 || shape.array_size != 1 || shape.last_level != 0 ||
            shape.samples > 1) {
            return refuse(Response::err_invalid_parameter, "a buffer has bytes and nothing else");
        }
        return shape.width;
    }
    if (shape.width > max_side || shape.height > max_side || shape.depth > max_layers ||
        shape.array_size > max_layers || shape.last_level > max_level || shape.samples > max_samples) {
        return refuse(Response::err_invalid_parameter,
                      "it has more texels a side, layers, levels or samples than any can have");
    }
    const auto block = texel_block(shape.format).value_or(largest_block);
    // 2^59 bytes at most, and less than twice that with the levels.
    std::uint64_t bytes = 0;
    for (std::uint32_t level = 0; level <= shape.last_level; ++level) {
        bytes += blocks(at_level(shape.width, level), block.width) *
                 blocks(at_level(shape.height, level), block.height) * block.bytes *
                 at_level(shape.depth, level);
    }
    return bytes * shape.array_size * std::max(shape.samples, 1U);
}

Outcome<Pieces> transfer_pieces(const render::Shape& shape, const TransferHost3d& transfer,
                                std::uint64_t backing) {
    const auto& box = transfer.box;
    const auto layers = shape.target == target_3d ? at_level(shape.depth, transfer.level) : shape.array_size;
    if (transfer.level > shape.last_level ||
        !is_inside(box.x, box.width, at_level(shape.width, transfer.level)) ||
        !is_inside(box.y, box.height, at_level(shape.height, transfer.level)) ||
        !is_inside(box.z, box.depth, layers)) {
        return refuse(Response::err_invalid_parameter, "the box is not in the resource");
    }
    if (box.width == 0 || box.height == 0 || box.depth == 0) {
        return Pieces{};
    }
    Pieces pieces{.offset = transfer.offset};
    if (shape.target == target_buffer) {
        pieces.row = pieces.stride = pieces.layer_stride = box.width;
    } else if (const auto block = texel_block(shape.format)) {
        const auto rows = blocks(box.height, block->height);
        pieces.row = blocks(box.width, block->width) * block->bytes;
        pieces.rows = static_cast<std::uint32_t>(rows);
        pieces.layers = box.depth;
        // As virglrenderer has them where a driver does not say.
        pieces.stride = transfer.stride != 0
                            ? transfer.stride
                            : blocks(at_level(shape.width, transfer.level), block->width) * block->bytes;
        pieces.layer_stride =
            transfer.layer_stride != 0
                ? transfer.layer_stride
                : pieces.stride * blocks(at_level(shape.height, transfer.level), block->height);
        if ((pieces.rows > 1 && pieces.stride < pieces.row) ||
            (pieces.layers > 1 && pieces.layer_stride < pieces.stride * (rows - 1) + pieces.row)) {
            return refuse(Response::err_invalid_parameter, "its rows lie on each other");
        }
    } else {
        // Only the renderer knows; all that is behind the first byte may be meant.
        pieces.row = transfer.offset < backing ? backing - transfer.offset : 0;
    }
    // Of factors of 32 bits and 14: nothing wraps around.
    const auto length =
        pieces.layer_stride * (pieces.layers - 1) + pieces.stride * (pieces.rows - 1) + pieces.row;
    if (!range_inside(pieces.offset, length, 0, backing)) {
        return refuse(Response::err_invalid_parameter, "it is not within the backing");
    }
    return pieces;
}

} // namespace hvisor::devices::gpu
