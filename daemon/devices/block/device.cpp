// SPDX-License-Identifier: Apache-2.0
#include "devices/block/device.hpp"

#include "base/errno_text.hpp"
#include "devices/block/config.hpp"

#include <span>
#include <utility>
#include <vector>

namespace hvisor::devices::block {
namespace {

virtio::DeviceModel make_model(const FileBackend& backend) {
    Config config{};
    config.capacity = backend.size() / sector_size;
    // A queue full of descriptors less those of header and status.
    config.seg_max = queue_size - 2;
    config.blk_size = backend.block_size();
    const auto bytes = std::as_bytes(std::span(&config, 1));
    const virtio::FeatureSet features{f_seg_max, f_blk_size, f_flush};
    return {.device_id = device_id,
            .features = backend.read_only() ? features | virtio::FeatureSet{f_read_only} : features,
            .queue_sizes = {queue_size},
            .config = std::vector(bytes.begin(), bytes.end())};
}

} // namespace

BlockDevice::BlockDevice(virtio::DeviceContext context, FileBackend backend)
    : Device(std::move(context), make_model(backend)), backend_(std::move(backend)), handler_(backend_) {}

void BlockDevice::do_request(std::size_t, virtio::Chain chain) {
    // virtio 1.2, 5.2.5.2: a driver without FLUSH takes the cache for write-through.
    const auto outcome = handler_.handle(chain, !negotiated(f_flush));
    if (outcome == Outcome::no_status) {
        require_reset(to_string(outcome));
    } else if (outcome == Outcome::backend_error) {
        warn("{}: request of type {} at sector {}: {}", backend_.path(), handler_.header().type,
             handler_.header().sector, errno_text(handler_.backend_error()));
    } else if (outcome != Outcome::done && outcome != Outcome::unsupported) {
        warn("request of type {} at sector {} refused: {}", handler_.header().type, handler_.header().sector,
             to_string(outcome));
    }
}

} // namespace hvisor::devices::block
