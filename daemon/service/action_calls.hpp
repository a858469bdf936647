// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/log.hpp"
#include "base/unique_fd.hpp"
#include "service/bus_values.hpp"
#include "service/control_thread.hpp"
#include "service/reply.hpp"
#include "zone/file_table.hpp"

#include <sdbus-c++/sdbus-c++.h>

#include <functional>
#include <map>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

namespace hvisor::service {

using BusFiles = std::map<std::string, sdbus::UnixFd>;

/// The caller's files become the daemon's; it opens nothing by itself, because
/// its rights are not the caller's.
inline zone::FileTable adopt(BusFiles files) {
    zone::FileTable table;
    for (auto& [path, fd] : files) {
        table.files.emplace(path, UniqueFd(fd.release()));
    }
    return table;
}

/// Answer a call: with the value, the values of a tuple, or the error.
template <class T, class... Values>
void send(const Result<T>& result, Reply<Values...>& reply) {
    try {
        if (!result) {
            reply.returnError(to_bus_error(result.error()));
        } else if constexpr (std::is_void_v<T>) {
            reply.returnResults();
        } else if constexpr (requires { std::tuple_size<T>::value; }) {
            std::apply([&](const auto&... values) { reply.returnResults(values...); }, *result);
        } else {
            reply.returnResults(*result);
        }
    } catch (const sdbus::Error& error) {
        log::info("who has asked has left without the answer: {}", error.getMessage());
    }
}

/// Calls that may block: each runs on a thread of its own kind, and is answered on
/// the main loop after the objects have been brought up to date, so that a
/// caller finds in them what the reply says.
class ActionCalls {
  public:
    /// `update_objects` runs on the main loop before each reply.
    ActionCalls(ControlThread& thread, std::function<void()> update_objects)
        : thread_(thread), update_objects_(std::move(update_objects)) {}

    /// `failure` is what the journal says before the error.
    template <class T, class... Values>
    void call(std::string failure, std::move_only_function<Result<T>()> work, Reply<Values...>&& reply) {
        thread_.submit<T>(std::move(work), [this, failure = std::move(failure),
                                            reply = std::move(reply)](Result<T> result) mutable {
            update_objects_();
            if (!result) {
                log::warning("{}: {}", failure, result.error().message);
            }
            send(result, reply);
        });
    }

    [[nodiscard]] ControlThread& thread() { return thread_; }
    void update_objects() const { update_objects_(); }

  private:
    ControlThread& thread_;
    std::function<void()> update_objects_;
};

} // namespace hvisor::service
