// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "failure.hpp"

#include <sdbus-c++/sdbus-c++.h>
#include <systemd/sd-event.h>

#include <chrono>
#include <functional>
#include <memory>

namespace hvisor::cli {

/// An event loop in which what the daemon tells is heard, until it is told to
/// finish. Single thread; run() once.
class Listener {
  public:
    struct Events {
        std::function<void(sdbus::Message&)> signal; ///< of the objects that are listened to
        std::function<void(bool is_there)> attended; ///< the daemon has come to its bus, or gone from it
        std::function<void()> disconnected;          ///< the connection itself has ended
    };

    Listener();
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;
    Listener(Listener&&) = delete;
    Listener& operator=(Listener&&) = delete;
    ~Listener() = default;

    /// Finish with exit status 6 so long after now.
    void give_up_after(std::chrono::duration<double> time);
    /// Run `task` at SIGTERM and SIGINT, which end the process no more.
    void on_terminate(std::function<void()> task);

    /// Listen to the objects from `path` on by `connection`, which nobody else
    /// waits on, and return what finish() was given. `begin` runs when nothing
    /// can be missed any more.
    [[nodiscard]] Outcome<void> run(sdbus::IConnection& connection, const sdbus::ObjectPath& path,
                                    const Events& events, const std::function<void()>& begin);

    /// The first outcome counts.
    void finish(Outcome<void> outcome);
    [[nodiscard]] bool is_finished() const { return is_finished_; }

  private:
    struct Unref {
        void operator()(sd_event* event) const { sd_event_unref(event); }
    };

    void note(int result);

    std::unique_ptr<sd_event, Unref> event_;
    std::function<void()> on_terminate_;
    int error_ = 0; ///< the first one of libsystemd, negative
    bool is_finished_ = false;
    Outcome<void> outcome_;
};

} // namespace hvisor::cli
