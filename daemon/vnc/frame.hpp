// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/mapping.hpp"
#include "base/unique_fd.hpp"
#include "viewer/messages.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace hvisor::vnc {

inline constexpr std::size_t bytes_per_pixel = 4;

/// What one viewer is shown: a copy of what hvisord lends, so that nothing changes
/// while it is sent, and the library may draw a pointer into it.
class Frame {
  public:
    /// All dark.
    Frame(std::uint32_t width, std::uint32_t height);
    /// All of a picture; dark when the file cannot be what was said.
    Frame(const viewer::Picture& picture, const UniqueFd& file);

    [[nodiscard]] std::uint32_t width() const { return width_; }
    [[nodiscard]] std::uint32_t height() const { return height_; }
    [[nodiscard]] char* data() { return reinterpret_cast<char*>(pixels_.data()); }

    /// Copy a part again; false when it is none of the picture's.
    [[nodiscard]] bool refresh(const viewer::Changed& part);

  private:
    std::uint32_t width_;
    std::uint32_t height_;
    std::vector<std::uint32_t> pixels_;
    Mapping lent_;
    std::size_t stride_ = 0;
};

/// No screen is larger, in either direction.
inline constexpr std::uint32_t max_side = 16384;

} // namespace hvisor::vnc
