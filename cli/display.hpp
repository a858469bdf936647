// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "client.hpp"
#include "objects.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace CLI {
class App;
} // namespace CLI

namespace hvisor::cli {

/// Displays, Viewers, Frames and Renderer of org.syswonder.hvisor1.Device.Gpu.
using DisplayShapes =
    std::vector<sdbus::Struct<std::string, bool, bool, std::uint32_t, std::uint32_t, std::uint32_t>>;
using DisplayViewers = std::vector<sdbus::Struct<std::string, std::uint32_t>>;
using DisplayCounts = std::vector<sdbus::Struct<std::uint64_t, std::uint32_t>>;

/// A display of a GPU device, as those properties of the D-Bus API have it.
struct Display {
    std::uint32_t number = 0;
    std::string connector; ///< "" of a headless one
    bool is_connected = false;
    bool is_on = false;
    std::uint32_t width = 0;
    std::uint32_t height = 0;
    std::uint32_t refresh = 0; ///< in thousandths of a hertz
    std::uint64_t frames = 0;
    std::uint32_t frames_per_second = 0;
    std::string remote; ///< where VNC viewers find it; "" where it cannot be seen so
    std::uint32_t viewers = 0;
    std::string renderer; ///< what draws in three dimensions; "" when nothing does
};

/// Those of a device, in their order; none when it is no GPU device.
[[nodiscard]] std::vector<Display> displays_of(const Object& device);

/// Which display a command is about.
struct DisplayName {
    std::string zone; ///< name or number
    std::uint32_t number = 0;
};

/// Add "ZONE" and "--display" to a command.
[[nodiscard]] std::shared_ptr<DisplayName> add_display_name(CLI::App& verb);

/// The zone's GPU device as it is now; it has one at most.
[[nodiscard]] Outcome<Object> find_gpu(Client& client, const std::string& zone);

} // namespace hvisor::cli
