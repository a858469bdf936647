// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "service/main_loop.hpp"
#include "zone/zone_inputs.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <vector>

namespace hvisor::service {

/// Keys that are down in zones for a while. Main loop only.
class KeyStrokes {
  public:
    using Done = std::move_only_function<void()>;

    /// As many as people type at once, and then some.
    static constexpr std::size_t most = 64;

    explicit KeyStrokes(MainLoop& loop) : loop_(loop) {}
    KeyStrokes(const KeyStrokes&) = delete;
    KeyStrokes& operator=(const KeyStrokes&) = delete;
    KeyStrokes(KeyStrokes&&) = delete;
    KeyStrokes& operator=(KeyStrokes&&) = delete;
    /// What is down goes up; nobody hears of it.
    ~KeyStrokes();

    /// Press all of them, and let go of them in reverse after that time; `done` is called then.
    /// An error, and none is pressed, when the zone cannot take one of them.
    [[nodiscard]] Result<void> type(std::shared_ptr<zone::ZoneInputs> inputs, std::vector<std::uint16_t> keys,
                                    std::chrono::microseconds hold, Done done);

  private:
    struct Stroke {
        std::shared_ptr<zone::ZoneInputs> inputs;
        std::vector<std::uint16_t> keys;
        Done done;

        void release() const;
    };

    MainLoop& loop_;
    std::list<Stroke> strokes_;
};

} // namespace hvisor::service
