// SPDX-License-Identifier: Apache-2.0
#include "devices/gpu/resource_table.hpp"

#include <utility>

namespace hvisor::devices::gpu {

Outcome<ResourceId> ResourceTable::fresh_id(std::uint32_t id) const {
    const auto wanted = ResourceId::from_guest(id);
    if (!wanted) {
        return refuse(Response::err_invalid_resource_id, "no resource has the id 0");
    }
    if (resources_.contains(*wanted)) {
        return refuse(Response::err_invalid_resource_id, "there is such a resource already");
    }
    if (resources_.size() >= most_) {
        return refuse(Response::err_out_of_memory, "the device has as many resources as it may have");
    }
    return *wanted;
}

void ResourceTable::add(std::shared_ptr<Resource> resource) {
    const auto id = resource->id();
    resources_.emplace(id, std::move(resource));
}

Outcome<std::shared_ptr<Resource>> ResourceTable::find(std::uint32_t id) const {
    if (const auto wanted = ResourceId::from_guest(id)) {
        if (const auto found = resources_.find(*wanted); found != resources_.end()) {
            return found->second;
        }
    }
    return refuse(Response::err_invalid_resource_id, "there is no such resource");
}

} // namespace hvisor::devices::gpu
