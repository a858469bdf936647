// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace hvisor::virtio {

/// The two ways back to a guest. Both members may be called from any thread
/// and do not block.
class GuestPort {
  public:
    GuestPort() = default;
    GuestPort(const GuestPort&) = delete;
    GuestPort& operator=(const GuestPort&) = delete;
    GuestPort(GuestPort&&) = delete;
    GuestPort& operator=(GuestPort&&) = delete;
    virtual ~GuestPort() = default;

    /// Raise an interrupt in a zone. It may get lost on the way.
    virtual void inject(std::uint32_t zone, std::uint32_t interrupt) = 0;

    /// Answer a register access that was not answered at once, exactly once.
    virtual void answer(std::uint32_t cpu, std::uint64_t value) = 0;
};

} // namespace hvisor::virtio
