// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "devices/gpu/reply.hpp"

#include <algorithm>
#include <list>
#include <utility>

namespace hvisor::devices::gpu {

/// Answers that wait: for a frame that is to be seen, or, those with a fence,
/// for all earlier ones with a fence. No other is held up.
class FenceQueue {
  public:
    void add(Reply reply) { replies_.push_back(std::move(reply)); }

    /// Send all whose time has come. `is_shown` says of a frame whether it is to be seen.
    template <class IsShown>
    void settle(IsShown is_shown) {
        bool fence_waits = false;
        for (auto reply = replies_.begin(); reply != replies_.end();) {
            if (std::ranges::all_of(reply->frames(), is_shown) && !(reply->is_fenced() && fence_waits)) {
                reply->send();
                reply = replies_.erase(reply);
            } else {
                fence_waits = fence_waits || reply->is_fenced();
                ++reply;
            }
        }
    }

    /// Give the commands back unanswered.
    void clear() { replies_.clear(); }

  private:
    std::list<Reply> replies_; ///< in the order of the commands; as many as the queue has entries at most
};

} // namespace hvisor::devices::gpu
