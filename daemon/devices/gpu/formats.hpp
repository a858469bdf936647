// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "devices/gpu/config.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace hvisor::devices::gpu {

/// Nothing for a number that is none of virtio_gpu_formats.
[[nodiscard]] std::optional<Format> format_from_guest(std::uint32_t value);

/// Its bytes are a canvas's bytes.
[[nodiscard]] bool is_canvas_format(Format format);
[[nodiscard]] bool has_alpha(Format format);

/// Turn whole pixels into those of a canvas: as many bytes, elsewhere.
void to_canvas(Format format, std::span<const std::byte> from, std::byte* to);

} // namespace hvisor::devices::gpu
