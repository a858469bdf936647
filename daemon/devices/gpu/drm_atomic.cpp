// SPDX-License-Identifier: Apache-2.0
#include "devices/gpu/drm_atomic.hpp"

#include "devices/gpu/drm_plane.hpp"

#include <cerrno>
#include <optional>
#include <xf86drm.h>

namespace hvisor::devices::gpu {
namespace {

using RequestPtr = DrmPtr<drmModeAtomicReq, drmModeAtomicFree>;

/// Bytes that a property is set to. A state that has them keeps them.
class Blob {
  public:
    Blob(int fd, const void* bytes, std::size_t size) : fd_(fd) {
        if (drmModeCreatePropertyBlob(fd, bytes, size, &id_) != 0) {
            id_ = 0;
        }
    }
    Blob(const Blob&) = delete;
    Blob& operator=(const Blob&) = delete;
    Blob(Blob&&) = delete;
    Blob& operator=(Blob&&) = delete;
    ~Blob() {
        if (id_ != 0) {
            drmModeDestroyPropertyBlob(fd_, id_);
        }
    }
    /// 0: the kernel has not taken them.
    [[nodiscard]] std::uint32_t id() const { return id_; }

  private:
    int fd_;
    std::uint32_t id_ = 0;
};

DrmOutput::Outcome commit(int fd, const RequestPtr& request, std::uint32_t flags) {
    flags |= DRM_MODE_ATOMIC_NONBLOCK | DRM_MODE_PAGE_FLIP_EVENT;
    if (drmModeAtomicCommit(fd, request.get(), flags, nullptr) == 0) {
        return Flip::on_its_way;
    }
    if (errno == EBUSY) {
        return Flip::busy;
    }
    return std::unexpected(errno);
}

/// Of source rectangles, which are in 1/65536 of a pixel.
constexpr int source_shift = 16;

} // namespace

DrmAtomic::DrmAtomic(const DrmLease& lease) : lease_(lease) {
    const DrmProperties connector(lease.fd(), lease.connector(), DRM_MODE_OBJECT_CONNECTOR);
    const DrmProperties crtc(lease.fd(), lease.crtc(), DRM_MODE_OBJECT_CRTC);
    const DrmProperties plane(lease.fd(), lease.plane(), DRM_MODE_OBJECT_PLANE);
    ids_ = {.connector_crtc = connector.id("CRTC_ID"),
            .crtc_mode = crtc.id("MODE_ID"),
            .crtc_active = crtc.id("ACTIVE"),
            .plane_framebuffer = plane.id("FB_ID"),
            .plane_crtc = plane.id("CRTC_ID"),
            .source_x = plane.id("SRC_X"),
            .source_y = plane.id("SRC_Y"),
            .source_width = plane.id("SRC_W"),
            .source_height = plane.id("SRC_H"),
            .x = plane.id("CRTC_X"),
            .y = plane.id("CRTC_Y"),
            .width = plane.id("CRTC_W"),
            .height = plane.id("CRTC_H"),
            .damage = plane.id("FB_DAMAGE_CLIPS")};
}

DrmOutput::Outcome DrmAtomic::set_mode(const drmModeModeInfo& mode, std::uint32_t framebuffer) {
    const Blob blob(lease_.fd(), &mode, sizeof mode);
    const RequestPtr request(drmModeAtomicAlloc());
    if (blob.id() == 0 || request == nullptr) {
        return std::unexpected(ENOMEM);
    }
    const auto add = [&](std::uint32_t object, std::uint32_t property, std::uint64_t value) {
        drmModeAtomicAddProperty(request.get(), object, property, value);
    };
    const auto size = size_of(mode);
    add(lease_.connector(), ids_.connector_crtc, lease_.crtc());
    add(lease_.crtc(), ids_.crtc_mode, blob.id());
    add(lease_.crtc(), ids_.crtc_active, 1);
    add(lease_.plane(), ids_.plane_framebuffer, framebuffer);
    add(lease_.plane(), ids_.plane_crtc, lease_.crtc());
    add(lease_.plane(), ids_.source_x, 0);
    add(lease_.plane(), ids_.source_y, 0);
    add(lease_.plane(), ids_.source_width, std::uint64_t{size.width} << source_shift);
    add(lease_.plane(), ids_.source_height, std::uint64_t{size.height} << source_shift);
    add(lease_.plane(), ids_.x, 0);
    add(lease_.plane(), ids_.y, 0);
    add(lease_.plane(), ids_.width, size.width);
    add(lease_.plane(), ids_.height, size.height);
    return commit(lease_.fd(), request, DRM_MODE_ATOMIC_ALLOW_MODESET);
}

DrmOutput::Outcome DrmAtomic::flip(std::uint32_t framebuffer, const Rect& damage) {
    const RequestPtr request(drmModeAtomicAlloc());
    if (request == nullptr) {
        return std::unexpected(ENOMEM);
    }
    drmModeAtomicAddProperty(request.get(), lease_.plane(), ids_.plane_framebuffer, framebuffer);
    std::optional<Blob> clips;
    if (ids_.damage != 0) {
        const drm_mode_rect clip{.x1 = static_cast<std::int32_t>(damage.x),
                                 .y1 = static_cast<std::int32_t>(damage.y),
                                 .x2 = static_cast<std::int32_t>(damage.x + damage.width),
                                 .y2 = static_cast<std::int32_t>(damage.y + damage.height)};
        clips.emplace(lease_.fd(), &clip, sizeof clip);
        // 0 means all of it.
        drmModeAtomicAddProperty(request.get(), lease_.plane(), ids_.damage, clips->id());
    }
    return commit(lease_.fd(), request, 0);
}

} // namespace hvisor::devices::gpu
