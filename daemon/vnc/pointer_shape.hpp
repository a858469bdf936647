// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "viewer/messages.hpp"

struct rfbCursor;

namespace hvisor::vnc {

/// For rfbSetCursor(), whose screen frees it.
[[nodiscard]] rfbCursor* make_pointer_shape(const viewer::Cursor& cursor);

} // namespace hvisor::vnc
