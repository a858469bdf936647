// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "devices/gpu/ids.hpp"
#include "devices/gpu/outcome.hpp"

#include <cstddef>
#include <cstdint>
#include <set>

namespace hvisor::devices::gpu {

/// The contexts of three dimensions that a driver has, and how many it may have.
class ContextTable {
  public:
    explicit ContextTable(std::size_t most) : most_(most) {}

    /// Under an id that is fresh.
    [[nodiscard]] Outcome<ContextId> add(std::uint32_t id) {
        const auto wanted = ContextId::from_guest(id);
        if (!wanted) {
            return refuse(Response::err_invalid_context_id, "no context has the id 0");
        }
        if (contexts_.contains(*wanted)) {
            return refuse(Response::err_invalid_context_id, "there is such a context already");
        }
        if (contexts_.size() >= most_) {
            return refuse(Response::err_out_of_memory, "the device has as many contexts as it may have");
        }
        contexts_.insert(*wanted);
        return *wanted;
    }
    [[nodiscard]] Outcome<ContextId> find(std::uint32_t id) const {
        const auto wanted = ContextId::from_guest(id);
        if (!wanted || !contexts_.contains(*wanted)) {
            return refuse(Response::err_invalid_context_id, "there is no such context");
        }
        return *wanted;
    }
    void remove(ContextId id) { contexts_.erase(id); }
    void clear() { contexts_.clear(); }

  private:
    std::size_t most_;
    std::set<ContextId> contexts_;
};

} // namespace hvisor::devices::gpu
