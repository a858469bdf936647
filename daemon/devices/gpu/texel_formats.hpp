// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>

namespace hvisor::devices::gpu {

/// The smallest piece of a texture that has bytes of its own.
struct TexelBlock {
    std::uint32_t bytes;
    std::uint32_t width = 1;  ///< in texels
    std::uint32_t height = 1; ///< in texels
};

/// Numbers of formats are below this.
inline constexpr std::uint32_t texel_formats = 512;

/// Of a format of three dimensions: the numbers are Gallium's, as virglrenderer keeps
/// them for drivers (enum virgl_formats). Nothing for those that are not known here,
/// whose planes are apart, or that Gallium has added since.
[[nodiscard]] std::optional<TexelBlock> texel_block(std::uint32_t format);

} // namespace hvisor::devices::gpu
