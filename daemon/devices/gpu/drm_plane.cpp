// SPDX-License-Identifier: Apache-2.0
#include "devices/gpu/drm_plane.hpp"

#include <algorithm>
#include <string>
#include <xf86drm.h>

namespace hvisor::devices::gpu {
namespace {

using PlanesPtr = DrmPtr<drmModePlaneRes, drmModeFreePlaneResources>;
using PlanePtr = DrmPtr<drmModePlane, drmModeFreePlane>;
using PropertiesPtr = DrmPtr<drmModeObjectProperties, drmModeFreeObjectProperties>;

} // namespace

std::optional<Crtc> find_crtc(int fd, const Connector& connector, std::uint32_t taken) {
    const ResourcesPtr resources(drmModeGetResources(fd));
    if (resources == nullptr) {
        return {};
    }
    const std::span ids(resources->crtcs, static_cast<std::size_t>(resources->count_crtcs));
    std::optional<std::uint32_t> current;
    if (const auto at = std::ranges::find(ids, connector.crtc); at != ids.end()) {
        current = static_cast<std::uint32_t>(at - ids.begin());
    }
    const auto index = pick_crtc(connector.crtcs, taken, current);
    return index && *index < ids.size() ? std::optional(Crtc{.id = ids[*index], .index = *index})
                                        : std::nullopt;
}

std::optional<Planes> find_planes(int fd, const Crtc& crtc, std::span<const std::uint32_t> taken) {
    const PlanesPtr list(drmModeGetPlaneResources(fd));
    if (list == nullptr) {
        return {};
    }
    Planes planes;
    for (const auto id : std::span(list->planes, list->count_planes)) {
        const PlanePtr plane(drmModeGetPlane(fd, id));
        if (plane == nullptr || (plane->possible_crtcs >> crtc.index & 1) == 0 ||
            std::ranges::contains(taken, id)) {
            continue;
        }
        const auto type = DrmProperties(fd, id, DRM_MODE_OBJECT_PLANE).value("type");
        if (type != DRM_PLANE_TYPE_PRIMARY && type != DRM_PLANE_TYPE_CURSOR) {
            continue;
        }
        auto& place = type == DRM_PLANE_TYPE_PRIMARY ? planes.primary : planes.cursor;
        // Where planes move between CRTCs, the one that is there already.
        if (place == 0 || plane->crtc_id == crtc.id) {
            place = id;
        }
    }
    return planes.primary != 0 ? std::optional(planes) : std::nullopt;
}

DrmProperties::DrmProperties(int fd, std::uint32_t object, std::uint32_t type) {
    const PropertiesPtr list(drmModeObjectGetProperties(fd, object, type));
    if (list == nullptr) {
        return;
    }
    for (std::uint32_t i = 0; i < list->count_props; ++i) {
        const PropertyPtr property(drmModeGetProperty(fd, list->props[i]));
        if (property != nullptr) {
            properties_.emplace(property->name,
                                Property{.id = list->props[i], .value = list->prop_values[i]});
        }
    }
}

std::uint32_t DrmProperties::id(std::string_view name) const {
    const auto found = properties_.find(std::string(name));
    return found != properties_.end() ? found->second.id : 0;
}

std::optional<std::uint64_t> DrmProperties::value(std::string_view name) const {
    const auto found = properties_.find(std::string(name));
    return found != properties_.end() ? std::optional(found->second.value) : std::nullopt;
}

} // namespace hvisor::devices::gpu
