// SPDX-License-Identifier: Apache-2.0
#include "devices/gpu/drm_connector.hpp"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <format>
#include <utility>

namespace hvisor::devices::gpu {
namespace {

using ConnectorPtr = DrmPtr<drmModeConnector, drmModeFreeConnector>;
using EncoderPtr = DrmPtr<drmModeEncoder, drmModeFreeEncoder>;
using BlobPtr = DrmPtr<drmModePropertyBlobRes, drmModeFreePropertyBlob>;

/// As much as a driver can be told (virtio 1.2, 5.7.6.8).
constexpr std::size_t largest_edid = 1024;

std::vector<std::byte> read_edid(int fd, const drmModeConnector& connector) {
    for (int i = 0; i < connector.count_props; ++i) {
        const PropertyPtr property(drmModeGetProperty(fd, connector.props[i]));
        if (property == nullptr || std::string_view(property->name) != "EDID") {
            continue;
        }
        const BlobPtr blob(drmModeGetPropertyBlob(fd, static_cast<std::uint32_t>(connector.prop_values[i])));
        if (blob != nullptr && blob->length <= largest_edid) {
            const auto* bytes = static_cast<const std::byte*>(blob->data);
            return {bytes, bytes + blob->length};
        }
    }
    return {};
}

/// A display that is plugged in between libdrm's two calls, of which the first
/// one alone makes the kernel look, is there and has no mode: so look again.
ConnectorPtr look(int fd, std::uint32_t id) {
    constexpr int most_tries = 3;
    for (int i = 1;; ++i) {
        ConnectorPtr raw(drmModeGetConnector(fd, id));
        if (raw == nullptr || raw->connection != DRM_MODE_CONNECTED || raw->count_modes > 0 ||
            i == most_tries) {
            return raw;
        }
    }
}

std::expected<Connector, int> read(int fd, std::uint32_t id) {
    const ConnectorPtr raw = look(fd, id);
    if (raw == nullptr) {
        return std::unexpected(errno);
    }
    const auto* type = drmModeGetConnectorTypeName(raw->connector_type);
    Connector connector;
    connector.id = raw->connector_id;
    connector.name = std::format("{}-{}", type != nullptr ? type : "Unknown", raw->connector_type_id);
    // Without a mode it can show nothing.
    connector.is_connected = raw->connection == DRM_MODE_CONNECTED && raw->count_modes > 0;
    connector.millimetres = {.width = raw->mmWidth, .height = raw->mmHeight};
    connector.modes.assign(raw->modes, raw->modes + raw->count_modes);
    connector.edid = read_edid(fd, *raw);
    for (int i = 0; i < raw->count_encoders; ++i) {
        const EncoderPtr encoder(drmModeGetEncoder(fd, raw->encoders[i]));
        if (encoder != nullptr) {
            connector.crtcs |= encoder->possible_crtcs;
            if (encoder->encoder_id == raw->encoder_id) {
                connector.crtc = encoder->crtc_id;
            }
        }
    }
    return connector;
}

std::string describe(std::span<const Connector> connectors) {
    std::string text;
    for (const auto& connector : connectors) {
        text += std::format("{}{}{}", text.empty() ? "" : ", ", connector.name,
                            connector.is_connected ? " (connected)" : "");
    }
    return text.empty() ? "none" : text;
}

} // namespace

std::expected<std::vector<Connector>, int> read_connectors(int fd) {
    const ResourcesPtr resources(drmModeGetResources(fd));
    if (resources == nullptr) {
        return std::unexpected(errno);
    }
    std::vector<Connector> connectors;
    for (int i = 0; i < resources->count_connectors; ++i) {
        auto connector = read(fd, resources->connectors[i]);
        // One of a dock or a chain may go between the two calls.
        if (connector) {
            connectors.push_back(std::move(*connector));
        }
    }
    return connectors;
}

std::expected<Connector, int> read_connector(int fd, std::uint32_t id) {
    return read(fd, id);
}

Result<Connector> pick_connector(std::string_view card, std::span<const Connector> connectors,
                                 std::string_view name, const UserOf& user_of) {
    std::string users;
    for (const auto& connector : connectors) {
        if (name.empty() ? !connector.is_connected : connector.name != name) {
            continue;
        }
        const auto user = user_of(connector.name);
        if (!user) {
            return connector;
        }
        users += std::format("{}{} belongs to {}", users.empty() ? "" : ", ", connector.name, *user);
    }
    if (!users.empty()) {
        return fail(ErrorCode::resource_busy, "{}: {}: choose another connector, or shut that zone down",
                    card, users);
    }
    if (name.empty()) {
        return fail(ErrorCode::not_found,
                    "{}: no display is connected; its connectors are {}: plug a display in, or name the "
                    "connector to start without one",
                    card, describe(connectors));
    }
    return fail(ErrorCode::not_found, "{}: there is no connector {}; its connectors are {}", card, name,
                describe(connectors));
}

std::optional<std::uint32_t> pick_crtc(std::uint32_t possible, std::uint32_t taken,
                                       std::optional<std::uint32_t> current) {
    const auto free = possible & ~taken;
    if (current && *current < 32 && (free >> *current & 1) != 0) {
        return current;
    }
    return free != 0 ? std::optional(static_cast<std::uint32_t>(std::countr_zero(free))) : std::nullopt;
}

} // namespace hvisor::devices::gpu
