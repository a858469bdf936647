// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kit/mmio_driver.hpp"
#include "kit/ram.hpp"
#include "virtio/device.hpp"
#include "virtio/mmio_transport.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace hvisor::kit {

/// Another object for the device of a rig, which goes on where that one is now,
/// as if its process had been killed: whatever the old one still does in the
/// guest's memory is undone, and its record is taken as it was before. The guest's
/// side, its queues, stays as it is.
template <class Device>
class Successor {
  public:
    /// `arguments` are those of the device's constructor behind the context.
    template <class Rig, class... Arguments>
    explicit Successor(Rig& rig, Arguments&&... arguments)
        : device(context(rig), std::forward<Arguments>(arguments)...) {
        transport.resume();
        rig.settle();
    }
    Successor(const Successor&) = delete;
    Successor& operator=(const Successor&) = delete;
    Successor(Successor&&) = delete;
    Successor& operator=(Successor&&) = delete;
    ~Successor() { device.close(); }

  private:
    template <class Rig>
    static virtio::DeviceContext context(Rig& rig) {
        auto context = rig.context();
        context.state = StateMemory::of_process(rig.state->bytes().size());
        std::vector<std::byte> memory;
        // On the owner, so that nothing happens between the two.
        rig.reactor->call([&] {
            std::ranges::copy(rig.state->bytes(), context.state->bytes().begin());
            memory = rig.ram.read(rig.ram.address(), rig.ram.size());
        });
        rig.device.close();
        rig.device.disconnect();
        rig.ram.write(rig.ram.address(), memory);
        return context;
    }
    std::uint64_t access(std::uint64_t offset, unsigned size, bool is_write, std::uint64_t value) {
        return transport
            .access({.offset = offset,
                     .value = value,
                     .cpu = 2,
                     .size = static_cast<std::uint8_t>(size),
                     .is_write = is_write,
                     .needs_answer = false})
            .value_or(0);
    }

  public:
    Device device;
    virtio::MmioTransport transport{device};
    MmioDriver driver{[this](std::uint64_t offset, unsigned size) { return access(offset, size, false, 0); },
                      [this](std::uint64_t offset, unsigned size, std::uint64_t value) {
                          access(offset, size, true, value);
                      }};
};

} // namespace hvisor::kit
