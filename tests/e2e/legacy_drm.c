// SPDX-License-Identifier: Apache-2.0
/*
 * Preloaded into hvisord: every graphics card is one whose driver knows nothing of atomic
 * mode setting, of which Debian's kernel has none that QEMU could be.
 */
#include <errno.h>
#include <stdint.h>
#include <sys/ioctl.h>

#include <drm/drm.h>

/* libdrm's. */
int drmSetClientCap(int fd, uint64_t capability, uint64_t value)
{
	struct drm_set_client_cap set = { .capability = capability, .value = value };

	if (capability == DRM_CLIENT_CAP_ATOMIC) {
		errno = EOPNOTSUPP;
		return -errno;
	}
	return ioctl(fd, DRM_IOCTL_SET_CLIENT_CAP, &set);
}
