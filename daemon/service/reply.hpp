// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sdbus-c++/sdbus-c++.h>

#include <functional>
#include <memory>
#include <utility>

namespace hvisor::service {

/// The calls on a connection, or on one object of it, that have no answer yet. Either
/// stays for as long as there are any. The connection, because the answer needs it;
/// the object, because sd-bus remembers what its answers must look like by a pointer
/// into the object's own table (sd_bus_add_object_vtable(3)), which goes with it.
/// Main loop only.
class OpenCalls {
  public:
    /// Goes with the call; the last one tells that what had to stay may go.
    using Token = std::shared_ptr<const void>;

    /// Of a connection. `may_go` is called when what had to stay need not stay any longer. It
    /// outlives every token, and must not remove anything at once, because that
    /// may be the caller.
    explicit OpenCalls(const std::function<void()>& may_go) : may_go_(may_go) {}

    /// Of an object, whose calls are those of its connection, too.
    explicit OpenCalls(OpenCalls& connection) : may_go_(connection.may_go_), connection_(&connection) {}

    OpenCalls(const OpenCalls&) = delete;
    OpenCalls& operator=(const OpenCalls&) = delete;
    OpenCalls(OpenCalls&&) = delete;
    OpenCalls& operator=(OpenCalls&&) = delete;
    ~OpenCalls() = default;

    [[nodiscard]] Token open() {
        auto calls = calls_.lock();
        if (!calls) {
            calls = std::make_shared<Calls>(may_go_, connection_ == nullptr ? nullptr : connection_->open());
            calls_ = calls;
        }
        return calls;
    }

    /// Whether what is to be removed has to stay for now.
    [[nodiscard]] bool must_stay() {
        const auto calls = calls_.lock();
        if (calls) {
            calls->is_waited_for = true;
        }
        return calls != nullptr;
    }

  private:
    struct Calls {
        Calls(const std::function<void()>& when_closed, Token on_connection)
            : closed(when_closed), connection(std::move(on_connection)) {}
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
        const Token connection;
        bool is_waited_for = false;
    };

    const std::function<void()>& may_go_;
    OpenCalls* const connection_ = nullptr;
    std::weak_ptr<Calls> calls_;
};

/// The answer that a call is owed, and what keeps its object and connection until then.
template <class... Values>
class Reply : public sdbus::Result<Values...> {
  public:
    Reply(sdbus::Result<Values...>&& result, OpenCalls::Token token)
        : sdbus::Result<Values...>(std::move(result)), token_(std::move(token)) {}

  private:
    OpenCalls::Token token_;
};

} // namespace hvisor::service
