// SPDX-License-Identifier: Apache-2.0
#include "devices/gpu/drm_stage.hpp"

#include <utility>

namespace hvisor::devices::gpu {

Result<std::unique_ptr<DrmStage>> DrmStage::open(DrmCard& card, const Connector& connector,
                                                 CallLater call_later) {
    auto lease = card.lend(connector);
    if (!lease) {
        return std::unexpected(std::move(lease).error());
    }
    return std::unique_ptr<DrmStage>(new DrmStage(std::move(*lease), std::move(call_later)));
}

DrmStage::DrmStage(DrmLease lease, CallLater call_later)
    : lease_(std::move(lease)), call_later_(std::move(call_later)), output_(DrmOutput::make(lease_)) {
    if (auto cursor = DrmCursor::make(lease_)) {
        cursor_.emplace(std::move(*cursor));
    }
}

Result<void> DrmStage::use(const drmModeModeInfo& mode) {
    auto first = DrmBuffer::make(lease_.fd(), size_of(mode), DrmBuffer::Use::picture);
    if (!first) {
        return std::unexpected(std::move(first).error());
    }
    auto second = DrmBuffer::make(lease_.fd(), size_of(mode), DrmBuffer::Use::picture);
    if (!second) {
        return std::unexpected(std::move(second).error());
    }
    buffers_.push_back(std::make_unique<Buffers>(mode, std::array{std::move(*first), std::move(*second)}));
    return {};
}

bool DrmStage::show_cursor(const Cursor* cursor) {
    if (cursor_ && !cursor_->show(cursor)) {
        cursor_.reset();
    }
    return cursor_.has_value();
}

bool DrmStage::move_cursor(CursorPosition position) {
    if (cursor_) {
        cursor_->move(position);
    }
    return cursor_.has_value();
}

void DrmStage::settle() {
    if (buffers_.size() > 1) {
        buffers_.erase(buffers_.begin(), buffers_.end() - 1);
    }
}

const drmModeModeInfo* DrmStage::mode() const {
    return buffers_.empty() ? nullptr : &buffers_.back()->mode;
}

Canvas DrmStage::canvas(std::size_t buffer) {
    return buffers_.back()->pair.at(buffer).canvas();
}

std::expected<Flip, int> DrmStage::flip(std::size_t buffer, const Rect& damage, bool sets_mode) {
    const auto& now = *buffers_.back();
    const auto framebuffer = now.pair.at(buffer).framebuffer();
    return sets_mode ? output_->set_mode(now.mode, framebuffer) : output_->flip(framebuffer, damage);
}

} // namespace hvisor::devices::gpu
