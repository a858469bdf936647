// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "devices/input/capabilities.hpp"
#include "devices/input/event.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace hvisor::devices::input {

/// An open /dev/input/eventN, or what tests put in its place.
class EvdevFile {
  public:
    EvdevFile() = default;
    EvdevFile(const EvdevFile&) = delete;
    EvdevFile& operator=(const EvdevFile&) = delete;
    EvdevFile(EvdevFile&&) = delete;
    EvdevFile& operator=(EvdevFile&&) = delete;
    virtual ~EvdevFile() = default;

    /// For read(2), write(2) and poll(2); does not block.
    [[nodiscard]] virtual int fd() const = 0;
    /// As ioctl(2): -1 and errno when the kernel refuses.
    virtual int call(unsigned long request, void* argument) = 0;
};

using OpenEvdev = std::function<Result<std::unique_ptr<EvdevFile>>(const std::string& path)>;

/// The kernel's device. It may wait for the device to wake up.
[[nodiscard]] Result<std::unique_ptr<EvdevFile>> open_evdev_file(const std::string& path);

/// What a device says it is and can do.
[[nodiscard]] Result<Capabilities> read_capabilities(EvdevFile& file);

/// Whether a key or button of it is down.
[[nodiscard]] bool has_key_down(EvdevFile& file);

/// How everything that `capabilities` has stands now, as events: what there is
/// to say after the kernel has thrown some away.
[[nodiscard]] std::vector<Event> read_state(EvdevFile& file, const Capabilities& capabilities);

} // namespace hvisor::devices::input
