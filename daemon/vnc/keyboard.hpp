// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>

namespace hvisor::vnc {

/// VNC viewers send which symbol is on the key that was pressed (RFC 6143, 7.5.4); a
/// guest wants to know which key. So there is a keyboard layout, which should be the
/// one that the viewer and the guest have.
class Keyboard {
  public:
    /// An XKB layout with or without a variant: "us", "de(nodeadkeys)".
    [[nodiscard]] static Result<Keyboard> create(const std::string& layout);

    /// The code of linux/input-event-codes.h for a symbol of X11/keysymdef.h; none
    /// where no key of the layout has it.
    [[nodiscard]] std::optional<std::uint16_t> code_of(std::uint32_t symbol) const;

  private:
    std::unordered_map<std::uint32_t, std::uint16_t> codes_;
};

} // namespace hvisor::vnc
