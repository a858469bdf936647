// SPDX-License-Identifier: Apache-2.0
#include "devices/gpu/drm_cursor.hpp"

#include <cstring>
#include <utility>
#include <xf86drm.h>
#include <xf86drmMode.h>

namespace hvisor::devices::gpu {
namespace {

/// What drivers that say nothing else take.
constexpr std::uint64_t usual_side = 64;

std::uint32_t side(int fd, std::uint64_t capability) {
    std::uint64_t value = 0;
    return static_cast<std::uint32_t>(drmGetCap(fd, capability, &value) == 0 && value != 0 ? value
                                                                                           : usual_side);
}

} // namespace

Result<DrmCursor> DrmCursor::make(const DrmLease& lease) {
    const Size size{.width = side(lease.fd(), DRM_CAP_CURSOR_WIDTH),
                    .height = side(lease.fd(), DRM_CAP_CURSOR_HEIGHT)};
    if (lease.cursor_plane() == 0 || size.width < Cursor::side || size.height < Cursor::side) {
        return fail(ErrorCode::not_found, "the card has no pointer of {0} x {0} pixels", Cursor::side);
    }
    auto first = DrmBuffer::make(lease.fd(), size, DrmBuffer::Use::cursor);
    if (!first) {
        return std::unexpected(std::move(first).error());
    }
    auto second = DrmBuffer::make(lease.fd(), size, DrmBuffer::Use::cursor);
    if (!second) {
        return std::unexpected(std::move(second).error());
    }
    return DrmCursor(lease, {std::move(*first), std::move(*second)});
}

bool DrmCursor::show(const Cursor* cursor) {
    if (cursor == nullptr) {
        return drmModeSetCursor(lease_->fd(), lease_->crtc(), 0, 0, 0) == 0;
    }
    const auto& buffer = buffers_.at(next_);
    next_ = 1 - next_;
    const auto canvas = buffer.canvas();
    constexpr auto row_bytes = Cursor::side * bytes_per_pixel;
    for (std::uint32_t row = 0; row < Cursor::side; ++row) {
        std::memcpy(canvas.at(0, row), cursor->pixels.data() + row * row_bytes, row_bytes);
    }
    return drmModeSetCursor2(lease_->fd(), lease_->crtc(), buffer.handle(), canvas.size.width,
                             canvas.size.height, static_cast<std::int32_t>(cursor->hot_x),
                             static_cast<std::int32_t>(cursor->hot_y)) == 0 ||
           drmModeSetCursor(lease_->fd(), lease_->crtc(), buffer.handle(), canvas.size.width,
                            canvas.size.height) == 0;
}

void DrmCursor::move(CursorPosition position) {
    drmModeMoveCursor(lease_->fd(), lease_->crtc(), position.x, position.y);
}

} // namespace hvisor::devices::gpu
