// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "devices/input/event.hpp"

#include <functional>
#include <string>

namespace hvisor::devices::input {

/// What is behind a device when it is a real keyboard or pointer. None of it
/// blocks but the destructor, and release(), which wait for the kernel.
class Backend {
  public:
    /// Where events go, on a thread of the back end's own.
    struct Sink {
        std::function<void(Group)> put;
        std::function<void()> release_all;
    };

    Backend() = default;
    Backend(const Backend&) = delete;
    Backend& operator=(const Backend&) = delete;
    Backend(Backend&&) = delete;
    Backend& operator=(Backend&&) = delete;
    virtual ~Backend() = default;

    /// Once, before everything else.
    virtual void connect(Sink sink) = 0;
    /// A driver takes events from now on.
    virtual void begin() = 0;
    virtual void end() = 0;
    /// Let others have it, for good.
    virtual void release() = 0;

    /// The driver has set a LED, or sounds a bell. Only the latest value of each counts.
    virtual void set(const Event& status) = 0;

    /// For people: "/dev/input/event3".
    [[nodiscard]] virtual std::string name() const = 0;
};

} // namespace hvisor::devices::input
