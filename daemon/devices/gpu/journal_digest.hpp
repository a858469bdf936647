// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "devices/gpu/config.hpp"
#include "devices/gpu/ids.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

namespace hvisor::devices::gpu {

/// Which commands of a journal are still of use: those that have made what there is
/// after all of them. What the others have made is gone.
class JournalDigest {
  public:
    /// The next command, which is at this place. False when it cannot have been accepted behind those before
    /// it.
    [[nodiscard]] bool take(Command type, std::span<const std::byte> body, std::size_t place);

    /// The places of what is still of use: resources first, in the order of their commands, and
    /// then what is shown, so that no picture is shown before its pixels are there.
    [[nodiscard]] std::vector<std::size_t> places() const;

  private:
    struct Kept {
        std::size_t create;
        bool is_blob;
        std::optional<std::size_t> detach; ///< of a blob: it was made with a backing
        std::optional<std::size_t> attach; ///< after that
        std::optional<std::size_t> uuid;
    };
    struct Shown {
        std::uint32_t resource;
        std::size_t place;
    };

    [[nodiscard]] bool create(std::uint32_t id, bool is_blob, std::size_t place);
    [[nodiscard]] bool show(std::uint32_t scanout, std::uint32_t resource, std::size_t place);
    [[nodiscard]] Kept* find(std::uint32_t id);
    [[nodiscard]] bool take_of_resource(Command type, std::uint32_t id, std::size_t place);
    void hide(std::uint32_t resource);

    std::unordered_map<std::uint32_t, Kept> resources_;
    std::array<std::optional<Shown>, max_scanouts> shown_;
};

} // namespace hvisor::devices::gpu
