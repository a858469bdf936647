// SPDX-License-Identifier: Apache-2.0
#include "devices/gpu/reply.hpp"

#include <span>
#include <utility>

namespace hvisor::devices::gpu {

Reply::Reply(virtio::Chain chain, const Header& request, Answer answer)
    : chain_(std::move(chain)),
      command_(request.type),
      body_(std::move(answer.body)),
      frames_(std::move(answer.frames)),
      render_(std::move(answer.render)) {
    header_.type = std::to_underlying(answer.type);
    if ((request.flags & flag_fence) != 0) {
        // virtio 1.2, 5.7.6.7: the flag, the fence and the context of the request.
        // INFO_RING_IDX has no meaning without VIRTIO_GPU_F_CONTEXT_INIT.
        header_.flags = flag_fence;
        header_.fence_id = request.fence_id;
        header_.ctx_id = request.ctx_id;
    }
}

void Reply::resolve(Answer answer) {
    header_.type = std::to_underlying(answer.type);
    body_ = std::move(answer.body);
    frames_ = std::move(answer.frames);
    render_.reset();
}

void Reply::send() {
    auto writer = chain_.writer();
    // Less than a header says nothing that a driver could work with: the command
    // was carried out, and Linux gives no room at all where it does not care
    // (the cursor's commands). Of a longer answer the driver gets as much as it
    // has asked for.
    if (writer.remaining() >= sizeof header_) {
        auto written = writer.write(std::as_bytes(std::span(&header_, 1)));
        written += writer.write(body_);
        chain_.set_written(written);
    }
    chain_.complete();
}

} // namespace hvisor::devices::gpu
