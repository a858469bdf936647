// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "devices/gpu/config.hpp"
#include "devices/gpu/outcome.hpp"
#include "render/messages.hpp"

#include <cstdint>

namespace hvisor::devices::gpu {

/// Where bytes lie in a backing: `layers` times `rows` pieces of `row` bytes.
struct Pieces {
    std::uint64_t offset = 0; ///< of the first
    std::uint64_t row = 0;
    std::uint64_t stride = 0; ///< from a row to the next
    std::uint32_t rows = 1;
    std::uint64_t layer_stride = 0;
    std::uint32_t layers = 1;

    [[nodiscard]] bool empty() const { return row == 0 || rows == 0 || layers == 0; }
    [[nodiscard]] std::uint64_t bytes() const { return row * rows * layers; }
};

/// Bytes that such a resource has in the renderer; a refusal when there can be none such.
/// What is possible of a format, a target and a machine is the renderer's to know.
[[nodiscard]] Outcome<std::uint64_t> texture_size(const render::Shape& shape);

/// What of a backing of that size a transfer touches; a refusal when that is not in the
/// resource, or not in the backing, or pieces lie on each other. `shape` has a size.
[[nodiscard]] Outcome<Pieces> transfer_pieces(const render::Shape& shape, const TransferHost3d& transfer,
                                              std::uint64_t backing);

} // namespace hvisor::devices::gpu
