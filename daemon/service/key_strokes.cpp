// SPDX-License-Identifier: Apache-2.0
#include "service/key_strokes.hpp"

#include <ranges>
#include <utility>

namespace hvisor::service {

void KeyStrokes::Stroke::release() const {
    for (const auto key : keys | std::views::reverse) {
        inputs->key(key, false);
    }
}

KeyStrokes::~KeyStrokes() {
    for (const Stroke& stroke : strokes_) {
        stroke.release();
    }
}

Result<void> KeyStrokes::type(std::shared_ptr<zone::ZoneInputs> inputs, std::vector<std::uint16_t> keys,
                              std::chrono::microseconds hold, Done done) {
    if (auto can = inputs->check_keys(keys); !can) {
        return can;
    }
    if (strokes_.size() >= most) {
        return fail(ErrorCode::resource_busy, "{} calls hold keys down; try again when some have ended",
                    most);
    }
    const auto stroke = strokes_.insert(
        strokes_.end(), {.inputs = std::move(inputs), .keys = std::move(keys), .done = std::move(done)});
    auto timer = loop_.after(hold, [this, stroke] {
        Stroke ended = std::move(*stroke);
        strokes_.erase(stroke);
        ended.release();
        ended.done();
    });
    if (!timer) {
        strokes_.erase(stroke);
        return timer;
    }
    for (const auto key : stroke->keys) {
        stroke->inputs->key(key, true);
    }
    return {};
}

} // namespace hvisor::service
