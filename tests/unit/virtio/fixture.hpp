// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kit/device_rig.hpp"
#include "kit/test_device.hpp"

#include <catch2/catch_test_macros.hpp>

namespace hvisor::virtio {

using kit::f_test;
using kit::test_device_id;
using kit::test_queue_size;
using kit::TestDevice;

using Fixture = kit::DeviceRig<TestDevice>;

} // namespace hvisor::virtio
