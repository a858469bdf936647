// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kit/helper_process.hpp"
#include "unit/devices/gpu_3d_rig.hpp"
#include "unit/zone/temporary_directory.hpp"

#include <cstdint>
#include <filesystem>

namespace hvisor::devices::gpu {

/// The context that tests draw in.
inline constexpr std::uint32_t context = 1;

/// A GPU device with hvisor-gpu-render itself.
struct RealRig {
    std::filesystem::path path = folder.path() / "gpu-render";
    kit::HelperProcess helper{"HVISOR_GPU_RENDER", path};
    Rig3d rig{{.connect = [this] { return connect_renderer(path); }, .name = "linux2"}};

  private:
    static inline zone::test::TemporaryDirectory folder;
};

} // namespace hvisor::devices::gpu
