// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace testvisor {

/// How a zone's CPU waits for the root zone: busily at first, as the real one does all the
/// time, then asleep, a little longer each time. An emulated CPU that is busy takes the
/// machine's own CPUs from those that it waits for.
class Nap {
  public:
    Nap();

    /// Wait a moment. An interrupt for the guest does not end it, and is not taken.
    void take();

  private:
    std::uint64_t busy_until_;
    std::uint64_t length_;
};

} // namespace testvisor
