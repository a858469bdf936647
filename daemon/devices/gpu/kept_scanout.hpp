// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "devices/gpu/canvas.hpp"
#include "devices/gpu/screen.hpp"
#include "devices/gpu/state.hpp"

#include <cstddef>

namespace hvisor::devices::gpu {

/// What of a scanout is remembered for a process after this one, beside its picture,
/// which is a command in the journal. Each change is one store; what another process has left is judged here.
class KeptScanout {
  public:
    KeptScanout(ScanoutMemory& memory, CursorPair& cursors) : memory_(memory), cursors_(cursors) {}

    /// Null: none. Valid until the next put_cursor() but one.
    [[nodiscard]] const Cursor* cursor() const;
    void put_cursor(const Cursor& cursor);
    void remove_cursor() { memory_.cursor.commit(0); }

    [[nodiscard]] CursorPosition position() const;
    void move_cursor(CursorPosition position);

    /// What somebody has asked the driver to use; empty: nothing.
    [[nodiscard]] Size preferred() const;
    void set_preferred(Size size);

  private:
    ScanoutMemory& memory_;
    CursorPair& cursors_;
};

} // namespace hvisor::devices::gpu
