// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "devices/gpu/drm_connector.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_map>

namespace hvisor::devices::gpu {

/// What sends a picture to a connector.
struct Crtc {
    std::uint32_t id = 0;
    std::uint32_t index = 0;
};

/// The CRTC that drives the connector already, or one that can and is not
/// `taken` (a bit for each, by index). The first choice keeps the assignment
/// with which the root zone's console has lit all displays at once.
[[nodiscard]] std::optional<Crtc> find_crtc(int fd, const Connector& connector, std::uint32_t taken);

struct Planes {
    std::uint32_t primary = 0;
    std::uint32_t cursor = 0; ///< 0: none
};
/// The planes of a CRTC, without those that are `taken`.
[[nodiscard]] std::optional<Planes> find_planes(int fd, const Crtc& crtc,
                                                std::span<const std::uint32_t> taken);

/// The properties of an object by name: their ids and values.
class DrmProperties {
  public:
    DrmProperties(int fd, std::uint32_t object, std::uint32_t type);
    /// 0: the object has none of that name.
    [[nodiscard]] std::uint32_t id(std::string_view name) const;
    [[nodiscard]] std::optional<std::uint64_t> value(std::string_view name) const;

  private:
    struct Property {
        std::uint32_t id = 0;
        std::uint64_t value = 0;
    };
    std::unordered_map<std::string, Property> properties_;
};

} // namespace hvisor::devices::gpu
