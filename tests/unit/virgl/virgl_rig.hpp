// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kit/helper_process.hpp"
#include "unit/devices/gpu_3d_rig.hpp"
#include "unit/zone/temporary_directory.hpp"

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <optional>

namespace hvisor::devices::gpu {

/// The context that tests draw in.
inline constexpr std::uint32_t context = 1;

/// hvisor-gpu-render: one of the test's own, or the one that HVISOR_GPU_RENDER_SOCKET names.
class RealRenderer {
  public:
    RealRenderer() {
        if (const char* socket = std::getenv("HVISOR_GPU_RENDER_SOCKET"); socket != nullptr) {
            path_ = socket;
        } else {
            path_ = folder.path() / "gpu-render";
            own_.emplace("HVISOR_GPU_RENDER", path_);
        }
    }

    [[nodiscard]] RendererSettings settings() const {
        return {.connect = [path = path_] { return connect_renderer(path); }, .name = "linux2"};
    }
    /// The test's own.
    [[nodiscard]] kit::HelperProcess& process() { return own_.value(); }

  private:
    static inline zone::test::TemporaryDirectory folder;

    std::filesystem::path path_;
    std::optional<kit::HelperProcess> own_;
};

/// A GPU device with it.
struct RealRig {
    RealRenderer renderer;
    Rig3d rig{renderer.settings()};
};

} // namespace hvisor::devices::gpu
