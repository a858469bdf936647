// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "devices/gpu/ids.hpp"
#include "devices/gpu/memory_budget.hpp"
#include "devices/gpu/outcome.hpp"
#include "devices/gpu/resource.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>

namespace hvisor::devices::gpu {

/// The resources that a driver has, and how much it may have.
class ResourceTable {
  public:
    ResourceTable(std::size_t most, std::uint64_t memory) : most_(most), budget_(memory) {}

    /// The id for a resource that there is not yet.
    [[nodiscard]] Outcome<ResourceId> fresh_id(std::uint32_t id) const;
    /// Under an id that is fresh.
    void add(std::shared_ptr<Resource> resource);
    [[nodiscard]] Outcome<std::shared_ptr<Resource>> find(std::uint32_t id) const;
    void remove(ResourceId id) { resources_.erase(id); }
    void clear() { resources_.clear(); }

    [[nodiscard]] MemoryBudget& budget() { return budget_; }
    [[nodiscard]] const MemoryBudget& budget() const { return budget_; }

  private:
    std::size_t most_;
    MemoryBudget budget_; ///< outlives the resources
    std::unordered_map<ResourceId, std::shared_ptr<Resource>> resources_;
};

} // namespace hvisor::devices::gpu
