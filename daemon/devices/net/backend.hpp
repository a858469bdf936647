// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "devices/net/offloads.hpp"

#include <cstddef>
#include <cstdint>
#include <string>

namespace hvisor::devices::net {

/// The host's end of a guest's network cable: a tap, or what tests put in its
/// place.
class Backend {
  public:
    Backend() = default;
    Backend(const Backend&) = delete;
    Backend& operator=(const Backend&) = delete;
    Backend(Backend&&) = delete;
    Backend& operator=(Backend&&) = delete;
    virtual ~Backend() = default;

    // What it is; any thread.
    [[nodiscard]] virtual const std::string& name() const = 0;
    [[nodiscard]] virtual std::uint16_t pairs() const = 0;
    [[nodiscard]] virtual std::uint16_t mtu() const = 0;
    /// What it can take and give; the same in both directions.
    [[nodiscard]] virtual Offloads capabilities() const = 0;

    /// One read or write is one frame behind a Header. Non-blocking.
    [[nodiscard]] virtual int fd(std::size_t pair) const = 0;

    /// Give the guest only what it takes, to its first `pairs` queues only.
    /// Waits for the kernel: not on the owner thread.
    [[nodiscard]] virtual Result<void> configure(const Offloads& guest, std::uint16_t pairs) = 0;

    // The owner's:
    [[nodiscard]] virtual bool is_link_up() const = 0;
    /// Readable when update_link() has something to do; -1 when that never happens.
    [[nodiscard]] virtual int link_fd() const = 0;
    virtual void update_link() = 0;
};

} // namespace hvisor::devices::net
