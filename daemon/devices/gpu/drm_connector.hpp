// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "devices/gpu/canvas.hpp"

#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>
#include <xf86drmMode.h>

namespace hvisor::devices::gpu {

/// What libdrm allocates, freed by the function of its type.
template <auto free>
struct DrmFree {
    template <class T>
    void operator()(T* object) const {
        free(object);
    }
};
template <class T, auto free>
using DrmPtr = std::unique_ptr<T, DrmFree<free>>;
using ResourcesPtr = DrmPtr<drmModeRes, drmModeFreeResources>;
using PropertyPtr = DrmPtr<drmModePropertyRes, drmModeFreeProperty>;

/// A connector of a card, as the kernel says it is at one moment.
struct Connector {
    std::uint32_t id = 0;
    std::string name; ///< "HDMI-A-1", as in /sys/class/drm
    bool is_connected = false;
    Size millimetres{};
    std::vector<drmModeModeInfo> modes;
    std::vector<std::byte> edid;
    std::uint32_t crtcs = 0; ///< those that can drive it: a bit for each, by index
    std::uint32_t crtc = 0;  ///< the id of that which does; 0: none
};

/// Connectors of the card that `fd` is, displays asked if the process is its
/// master. Errors are errno values; EOPNOTSUPP for a card that shows nothing.
[[nodiscard]] std::expected<std::vector<Connector>, int> read_connectors(int fd);
[[nodiscard]] std::expected<Connector, int> read_connector(int fd, std::uint32_t id);

/// Whose connector it is: nothing when it is free.
using UserOf = std::function<std::optional<std::string>(const std::string& connector)>;

/// The connector of that name; with an empty one, the first with a display that
/// nobody uses. Errors name `card` and what there is.
[[nodiscard]] Result<Connector> pick_connector(std::string_view card, std::span<const Connector> connectors,
                                               std::string_view name, const UserOf& user_of);

/// Of the CRTCs `possible`, a bit for each: `current` if it is one of them and
/// not `taken`, else the first that is not; nothing when all are.
[[nodiscard]] std::optional<std::uint32_t> pick_crtc(std::uint32_t possible, std::uint32_t taken,
                                                     std::optional<std::uint32_t> current);

} // namespace hvisor::devices::gpu
