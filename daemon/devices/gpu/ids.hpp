// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>

namespace hvisor::devices::gpu {

/// As many as virtio 1.2, 5.7.6.8 knows (VIRTIO_GPU_MAX_SCANOUTS).
inline constexpr std::size_t max_scanouts = 16;

/// The driver's name for a resource: any number but 0, which means "none"
/// wherever a command takes an id. It is not an index of anything.
class ResourceId {
  public:
    /// Nothing for 0.
    [[nodiscard]] static std::optional<ResourceId> from_guest(std::uint32_t value) {
        return value == 0 ? std::nullopt : std::optional(ResourceId(value));
    }
    [[nodiscard]] std::uint32_t value() const { return value_; }
    [[nodiscard]] auto operator<=>(const ResourceId&) const = default;

  private:
    explicit ResourceId(std::uint32_t value) : value_(value) {}
    std::uint32_t value_;
};

/// The driver's name for a context of three dimensions: any number but 0, which
/// means "none".
class ContextId {
  public:
    /// Nothing for 0.
    [[nodiscard]] static std::optional<ContextId> from_guest(std::uint32_t value) {
        return value == 0 ? std::nullopt : std::optional(ContextId(value));
    }
    [[nodiscard]] std::uint32_t value() const { return value_; }
    [[nodiscard]] auto operator<=>(const ContextId&) const = default;

  private:
    explicit ContextId(std::uint32_t value) : value_(value) {}
    std::uint32_t value_;
};

/// One of the scanouts that the device has: an index that was checked.
class ScanoutId {
  public:
    /// Nothing for one that is not there.
    [[nodiscard]] static std::optional<ScanoutId> from_guest(std::uint32_t value, std::size_t count) {
        return value < count ? std::optional(ScanoutId(value)) : std::nullopt;
    }
    [[nodiscard]] std::size_t index() const { return value_; }
    [[nodiscard]] auto operator<=>(const ScanoutId&) const = default;

  private:
    explicit ScanoutId(std::uint32_t value) : value_(value) {}
    std::uint32_t value_;
};

} // namespace hvisor::devices::gpu

template <>
struct std::hash<hvisor::devices::gpu::ResourceId> {
    std::size_t operator()(const hvisor::devices::gpu::ResourceId& id) const noexcept {
        return std::hash<std::uint32_t>{}(id.value());
    }
};
