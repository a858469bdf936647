// SPDX-License-Identifier: Apache-2.0
#pragma once

// The kernel's header, without a part of it that is C but no C++.
#define VIRTIO_RING_NO_LEGACY
#include <linux/vhost.h>
