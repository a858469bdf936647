// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/reactor.hpp"
#include "base/throttle.hpp"
#include "virtio/device.hpp"

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

namespace hvisor::devices::entropy {

/// Fills `to` from its start: returns how many bytes, or -1 and sets errno. Never blocks.
using Source = std::function<ssize_t(std::span<std::byte> to)>;

/// The kernel's random numbers (getrandom(2)).
[[nodiscard]] ssize_t kernel_random(std::span<std::byte> to);

/// A virtio entropy device (virtio 1.2, 5.4): random numbers of the root
/// zone's kernel, for zones that have no source of their own.
class EntropyDevice final : public virtio::Device {
  public:
    explicit EntropyDevice(virtio::DeviceContext context, Source source = kernel_random,
                           const Throttle::Settings& limit = {});

    [[nodiscard]] std::string_view type_name() const override { return "entropy"; }
    [[nodiscard]] std::string backend_name() const override { return "getrandom"; }

  private:
    void do_kick(std::size_t queue) override { serve(queue); }
    void do_request(std::size_t queue, virtio::Chain chain) override;
    void do_stop_queue(std::size_t queue) override;

    /// How many bytes the source had to give.
    [[nodiscard]] std::size_t fill(virtio::Chain& chain);
    void fill_waiting();

    Source source_;
    Throttle throttle_;
    std::vector<virtio::Chain> waiting_; ///< for a source that has nothing yet, or for the limit
    Reactor::Timer retry_;
};

} // namespace hvisor::devices::entropy
