// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "devices/gpu/reply.hpp"

#include <algorithm>
#include <list>
#include <utility>

namespace hvisor::devices::gpu {

/// Answers that wait: for the renderer, for a frame that is to be seen, or, those with
/// a fence, for all earlier ones with a fence. No other is held up.
class FenceQueue {
  public:
    void add(Reply reply) { replies_.push_back(std::move(reply)); }

    /// Send all whose time has come. `is_shown` says of a frame whether it is to be seen.
    template <class IsShown>
    void settle(IsShown is_shown) {
        bool fence_waits = false;
        for (auto reply = replies_.begin(); reply != replies_.end();) {
            if (!reply->render() && std::ranges::all_of(reply->frames(), is_shown) &&
                !(reply->is_fenced() && fence_waits)) {
                reply->send();
                reply = replies_.erase(reply);
            } else {
                fence_waits = fence_waits || reply->is_fenced();
                ++reply;
            }
        }
    }

    /// The renderer has carried out an order, or not; `finish` takes the command's type
    /// and what was left to do, and makes an Answer of it. False when none of these waits for it.
    template <class Finish>
    bool resolve(Ticket ticket, Finish finish) {
        const auto reply = std::ranges::find_if(
            replies_, [ticket](const Reply& one) { return one.render() && one.render()->ticket == ticket; });
        if (reply == replies_.end()) {
            return false;
        }
        reply->resolve(finish(reply->command(), reply->take_step()));
        return true;
    }

    /// Give the commands back unanswered.
    void clear() { replies_.clear(); }

  private:
    std::list<Reply> replies_; ///< in the order of the commands; as many as the queue has entries at most
};

} // namespace hvisor::devices::gpu
