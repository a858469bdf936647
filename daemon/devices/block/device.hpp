// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "devices/block/backend_file.hpp"
#include "devices/block/request.hpp"
#include "virtio/device.hpp"

#include <string>
#include <string_view>

namespace hvisor::devices::block {

/// A virtio block device (virtio 1.2, 5.2) with one queue over a raw image.
/// Requests are carried out one after the other on the owner thread.
class BlockDevice final : public virtio::Device {
  public:
    BlockDevice(virtio::DeviceContext context, FileBackend backend);

    [[nodiscard]] std::string_view type_name() const override { return "block"; }
    [[nodiscard]] std::string backend_name() const override { return backend_.path(); }

  private:
    void do_kick(std::size_t queue) override { serve(queue); }
    void do_request(std::size_t queue, virtio::Chain chain) override;

    FileBackend backend_;
    RequestHandler handler_;
};

} // namespace hvisor::devices::block
