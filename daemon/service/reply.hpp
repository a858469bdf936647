// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sdbus-c++/sdbus-c++.h>

#include <functional>
#include <memory>
#include <utility>

namespace hvisor::service {

/// The calls on one object that have no answer yet. It stays on its connection for
/// as long as there are any: sd-bus remembers for each what its answer must look
/// like by a pointer into the object's own table (sd_bus_add_object_vtable(3)),
/// which goes with the object. Main loop only.
class OpenCalls {
  public:
    /// Goes with the call; the last one tells that the object may go.
    using Token = std::shared_ptr<const void>;

    /// `may_go` is called when an object that had to stay need not stay any longer. It
    /// outlives every token, and must not remove the object at once, because
    /// the object may be the caller.
    explicit OpenCalls(const std::function<void()>& may_go) : may_go_(may_go) {}

    [[nodiscard]] Token open() {
        auto calls = calls_.lock();
        if (!calls) {
            calls = std::make_shared<Calls>(may_go_);
            calls_ = calls;
        }
        return calls;
    }

    /// Whether the object, which is to be removed, has to stay for now.
    [[nodiscard]] bool must_stay() {
        const auto calls = calls_.lock();
        if (calls) {
            calls->is_waited_for = true;
        }
        return calls != nullptr;
    }

  private:
    struct Calls {
        explicit Calls(const std::function<void()>& when_closed) : closed(when_closed) {}
        Calls(const Calls&) = delete;
        Calls& operator=(const Calls&) = delete;
        Calls(Calls&&) = delete;
        Calls& operator=(Calls&&) = delete;
        ~Calls() {
            if (is_waited_for) {
                closed();
            }
        }

        const std::function<void()>& closed;
        bool is_waited_for = false;
    };

    const std::function<void()>& may_go_;
    std::weak_ptr<Calls> calls_;
};

/// The answer that a call is owed, and what keeps the object of the call until then.
template <class... Values>
class Reply : public sdbus::Result<Values...> {
  public:
    /// Of an object that stays as long as its connection.
    explicit Reply(sdbus::Result<Values...>&& result) : sdbus::Result<Values...>(std::move(result)) {}

    Reply(sdbus::Result<Values...>&& result, OpenCalls::Token token)
        : sdbus::Result<Values...>(std::move(result)), token_(std::move(token)) {}

  private:
    OpenCalls::Token token_;
};

} // namespace hvisor::service
