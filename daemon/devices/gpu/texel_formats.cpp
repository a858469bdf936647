// SPDX-License-Identifier: Apache-2.0
#include "devices/gpu/texel_formats.hpp"

#include <algorithm>
#include <array>

namespace hvisor::devices::gpu {
namespace {

/// Formats `first` to `last`. The first one has `bytes` a texel, each of the next ones as
/// many more as `step`: R, RG, RGB and RGBA follow each other.
struct FormatRange {
    std::uint32_t first;
    std::uint32_t last;
    std::uint32_t bytes;
    std::uint32_t step = 0;
    std::uint32_t side = 1; ///< of a block, in texels
};

// In order.
constexpr std::array ranges{
    FormatRange{.first = 1, .last = 4, .bytes = 4},                 // B8G8R8A8 … X8R8G8B8
    FormatRange{.first = 5, .last = 7, .bytes = 2},                 // B5G5R5A1, B4G4R4A4, B5G6R5
    FormatRange{.first = 8, .last = 8, .bytes = 4},                 // R10G10B10A2
    FormatRange{.first = 9, .last = 11, .bytes = 1},                // L8, A8, I8
    FormatRange{.first = 12, .last = 13, .bytes = 2},               // L8A8, L16
    FormatRange{.first = 16, .last = 16, .bytes = 2},               // Z16
    FormatRange{.first = 17, .last = 22, .bytes = 4},               // Z32 … X8Z24
    FormatRange{.first = 23, .last = 23, .bytes = 1},               // S8
    FormatRange{.first = 24, .last = 27, .bytes = 8, .step = 8},    // R64 … R64G64B64A64
    FormatRange{.first = 28, .last = 31, .bytes = 4, .step = 4},    // 32 bits: FLOAT
    FormatRange{.first = 32, .last = 35, .bytes = 4, .step = 4},    // UNORM
    FormatRange{.first = 36, .last = 39, .bytes = 4, .step = 4},    // USCALED
    FormatRange{.first = 40, .last = 43, .bytes = 4, .step = 4},    // SNORM
    FormatRange{.first = 44, .last = 47, .bytes = 4, .step = 4},    // SSCALED
    FormatRange{.first = 48, .last = 51, .bytes = 2, .step = 2},    // 16 bits: UNORM
    FormatRange{.first = 52, .last = 55, .bytes = 2, .step = 2},    // USCALED
    FormatRange{.first = 56, .last = 59, .bytes = 2, .step = 2},    // SNORM
    FormatRange{.first = 60, .last = 63, .bytes = 2, .step = 2},    // SSCALED
    FormatRange{.first = 64, .last = 67, .bytes = 1, .step = 1},    // 8 bits: UNORM
    FormatRange{.first = 68, .last = 68, .bytes = 4},               // X8B8G8R8
    FormatRange{.first = 69, .last = 72, .bytes = 1, .step = 1},    // USCALED
    FormatRange{.first = 74, .last = 77, .bytes = 1, .step = 1},    // SNORM
    FormatRange{.first = 82, .last = 85, .bytes = 1, .step = 1},    // SSCALED
    FormatRange{.first = 87, .last = 90, .bytes = 4, .step = 4},    // R32 … FIXED
    FormatRange{.first = 91, .last = 94, .bytes = 2, .step = 2},    // R16 … FLOAT
    FormatRange{.first = 95, .last = 97, .bytes = 1, .step = 1},    // L8, L8A8, R8G8B8 SRGB
    FormatRange{.first = 98, .last = 104, .bytes = 4},              // A8B8G8R8 … R8G8B8A8 SRGB
    FormatRange{.first = 105, .last = 106, .bytes = 8, .side = 4},  // DXT1
    FormatRange{.first = 107, .last = 108, .bytes = 16, .side = 4}, // DXT3, DXT5
    FormatRange{.first = 109, .last = 110, .bytes = 8, .side = 4},  // DXT1 SRGB
    FormatRange{.first = 111, .last = 112, .bytes = 16, .side = 4}, // DXT3, DXT5 SRGB
    FormatRange{.first = 113, .last = 114, .bytes = 8, .side = 4},  // RGTC1
    FormatRange{.first = 115, .last = 116, .bytes = 16, .side = 4}, // RGTC2
    FormatRange{.first = 121, .last = 121, .bytes = 4},             // A8B8G8R8
    FormatRange{.first = 122, .last = 122, .bytes = 2},             // B5G5R5X1
    FormatRange{.first = 123, .last = 125, .bytes = 4},             // R10G10B10A2 … R9G9B9E5
    FormatRange{.first = 126, .last = 126, .bytes = 8},             // Z32_FLOAT_S8X24
    FormatRange{.first = 128, .last = 129, .bytes = 4},             // R10G10B10X2
    FormatRange{.first = 131, .last = 132, .bytes = 4},             // B10G10R10A2
    FormatRange{.first = 134, .last = 134, .bytes = 4},             // R8G8B8X8
    FormatRange{.first = 135, .last = 135, .bytes = 2},             // B4G4R4X4
    FormatRange{.first = 136, .last = 137, .bytes = 4},             // X24S8, S8X24
    FormatRange{.first = 138, .last = 138, .bytes = 8},             // X32_S8X24
    FormatRange{.first = 139, .last = 139, .bytes = 1},             // B2G3R3
    FormatRange{.first = 140, .last = 140, .bytes = 4},             // L16A16
    FormatRange{.first = 141, .last = 142, .bytes = 2},             // A16, I16
    FormatRange{.first = 143, .last = 144, .bytes = 8, .side = 4},  // LATC1
    FormatRange{.first = 145, .last = 146, .bytes = 16, .side = 4}, // LATC2
    FormatRange{.first = 147, .last = 148, .bytes = 1},             // A8, L8 SNORM
    FormatRange{.first = 149, .last = 149, .bytes = 2},             // L8A8
    FormatRange{.first = 150, .last = 150, .bytes = 1},             // I8
    FormatRange{.first = 151, .last = 152, .bytes = 2},             // A16, L16
    FormatRange{.first = 153, .last = 153, .bytes = 4},             // L16A16
    FormatRange{.first = 154, .last = 156, .bytes = 2},             // I16; A16, L16 FLOAT
    FormatRange{.first = 157, .last = 157, .bytes = 4},             // L16A16
    FormatRange{.first = 158, .last = 158, .bytes = 2},             // I16
    FormatRange{.first = 159, .last = 160, .bytes = 4},             // A32, L32
    FormatRange{.first = 161, .last = 161, .bytes = 8},             // L32A32
    FormatRange{.first = 162, .last = 162, .bytes = 4},             // I32
    FormatRange{.first = 170, .last = 171, .bytes = 2},             // R8A8, A8R8
    FormatRange{.first = 172, .last = 176, .bytes = 4},             // 10 bits
    FormatRange{.first = 177, .last = 180, .bytes = 1, .step = 1},  // R8 … UINT
    FormatRange{.first = 181, .last = 184, .bytes = 1, .step = 1},  // SINT
    FormatRange{.first = 185, .last = 188, .bytes = 2, .step = 2},  // R16 … UINT
    FormatRange{.first = 189, .last = 192, .bytes = 2, .step = 2},  // SINT
    FormatRange{.first = 193, .last = 196, .bytes = 4, .step = 4},  // R32 … UINT
    FormatRange{.first = 197, .last = 200, .bytes = 4, .step = 4},  // SINT
    FormatRange{.first = 201, .last = 203, .bytes = 1},             // A8, I8, L8 UINT
    FormatRange{.first = 204, .last = 204, .bytes = 2},             // L8A8
    FormatRange{.first = 205, .last = 207, .bytes = 1},             // SINT
    FormatRange{.first = 208, .last = 211, .bytes = 2},             // L8A8; A16, I16, L16 UINT
    FormatRange{.first = 212, .last = 212, .bytes = 4},             // L16A16
    FormatRange{.first = 213, .last = 215, .bytes = 2},             // SINT
    FormatRange{.first = 216, .last = 219, .bytes = 4},             // L16A16; A32, I32, L32 UINT
    FormatRange{.first = 220, .last = 220, .bytes = 8},             // L32A32
    FormatRange{.first = 221, .last = 223, .bytes = 4},             // SINT
    FormatRange{.first = 224, .last = 224, .bytes = 8},             // L32A32
    FormatRange{.first = 225, .last = 225, .bytes = 4},             // B10G10R10A2
    FormatRange{.first = 226, .last = 226, .bytes = 8, .side = 4},  // ETC1
    FormatRange{.first = 229, .last = 233, .bytes = 4},             // R8G8B8X8 …, B10G10R10X2
    FormatRange{.first = 234, .last = 238, .bytes = 8},             // R16G16B16X16
    FormatRange{.first = 239, .last = 241, .bytes = 16},            // R32G32B32X32
    FormatRange{.first = 242, .last = 242, .bytes = 2},             // R8A8
    FormatRange{.first = 243, .last = 245, .bytes = 4},             // R16A16
    FormatRange{.first = 246, .last = 246, .bytes = 8},             // R32A32
    FormatRange{.first = 247, .last = 248, .bytes = 2},             // R8A8
    FormatRange{.first = 249, .last = 250, .bytes = 4},             // R16A16
    FormatRange{.first = 251, .last = 252, .bytes = 8},             // R32A32
    FormatRange{.first = 253, .last = 253, .bytes = 4},             // R10G10B10A2
    FormatRange{.first = 254, .last = 254, .bytes = 2},             // B5G6R5
    FormatRange{.first = 255, .last = 258, .bytes = 16, .side = 4}, // BPTC
    FormatRange{.first = 263, .last = 264, .bytes = 2},             // G8R8
    FormatRange{.first = 265, .last = 268, .bytes = 4},             // G16R16, A8B8G8R8
    FormatRange{.first = 269, .last = 272, .bytes = 8, .side = 4},  // ETC2 RGB8, RGB8A1
    FormatRange{.first = 273, .last = 274, .bytes = 16, .side = 4}, // ETC2 RGBA8
    FormatRange{.first = 275, .last = 276, .bytes = 8, .side = 4},  // ETC2 R11
    FormatRange{.first = 277, .last = 278, .bytes = 16, .side = 4}, // ETC2 RG11
    FormatRange{.first = 308, .last = 308, .bytes = 4},             // R10G10B10X2
    FormatRange{.first = 311, .last = 311, .bytes = 2},             // A4B4G4R4
    FormatRange{.first = 312, .last = 313, .bytes = 1, .step = 1},  // R8, R8G8 SRGB
};
static_assert(std::ranges::is_sorted(ranges, {}, &FormatRange::first));

/// ASTC: 16 bytes a block, of these sizes, and once more for SRGB.
constexpr std::uint32_t first_astc = 279;
struct BlockSize {
    std::uint32_t width;
    std::uint32_t height;
};
constexpr std::array astc_sizes{
    BlockSize{4, 4},  BlockSize{5, 4},   BlockSize{5, 5},   BlockSize{6, 5},   BlockSize{6, 6},
    BlockSize{8, 5},  BlockSize{8, 6},   BlockSize{8, 8},   BlockSize{10, 5},  BlockSize{10, 6},
    BlockSize{10, 8}, BlockSize{10, 10}, BlockSize{12, 10}, BlockSize{12, 12},
};

} // namespace

std::optional<TexelBlock> texel_block(std::uint32_t format) {
    if (format >= first_astc && format < first_astc + 2 * astc_sizes.size()) {
        const auto size = astc_sizes.at((format - first_astc) % astc_sizes.size());
        return TexelBlock{.bytes = 16, .width = size.width, .height = size.height};
    }
    const auto* const after = std::ranges::upper_bound(ranges, format, {}, &FormatRange::first);
    if (after == ranges.begin()) {
        return std::nullopt;
    }
    const auto& range = *(after - 1);
    if (format > range.last) {
        return std::nullopt;
    }
    return TexelBlock{.bytes = range.bytes + range.step * (format - range.first),
                      .width = range.side,
                      .height = range.side};
}

} // namespace hvisor::devices::gpu
