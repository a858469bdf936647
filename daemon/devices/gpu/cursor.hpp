// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "devices/gpu/canvas.hpp"
#include "devices/gpu/outcome.hpp"
#include "devices/gpu/resource.hpp"
#include "devices/gpu/screen.hpp"

#include <memory>

namespace hvisor::devices::gpu {

/// What the resource has now as a cursor's image; its hot spot is in 0, 0.
[[nodiscard]] Outcome<Cursor> read_cursor(const std::shared_ptr<Resource>& resource);

/// Draw a cursor over a picture, as a display does.
void draw_cursor(const Cursor& cursor, CursorPosition position, const Canvas& over);

} // namespace hvisor::devices::gpu
