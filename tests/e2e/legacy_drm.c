// SPDX-License-Identifier: Apache-2.0
/*
 * Preloaded into hvisord: every graphics card is one whose driver knows nothing of atomic
 * mode setting, nor of pointers, of which Debian's kernel has none that QEMU could be.
 */
#include <errno.h>
#include <stdint.h>
#include <sys/ioctl.h>

#include <drm/drm.h>

/* These are libdrm's. */
int drmModeSetCursor(int fd, uint32_t crtc, uint32_t buffer, uint32_t width, uint32_t height)
{
	(void)fd, (void)crtc, (void)buffer, (void)width, (void)height;
	errno = ENXIO;
	return -errno;
}

int drmModeSetCursor2(int fd, uint32_t crtc, uint32_t buffer, uint32_t width, uint32_t height, int32_t hot_x,
		      int32_t hot_y)
{
	(void)hot_x, (void)hot_y;
	return drmModeSetCursor(fd, crtc, buffer, width, height);
}

int drmSetClientCap(int fd, uint64_t capability, uint64_t value)
{
	struct drm_set_client_cap set = { .capability = capability, .value = value };

	if (capability == DRM_CLIENT_CAP_ATOMIC) {
		errno = EOPNOTSUPP;
		return -errno;
	}
	return ioctl(fd, DRM_IOCTL_SET_CLIENT_CAP, &set);
}
