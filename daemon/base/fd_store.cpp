// SPDX-License-Identifier: Apache-2.0
#include "base/fd_store.hpp"

#include <utility>

namespace hvisor {

FdStore::FdStore(Carrier carrier, std::multimap<std::string, UniqueFd> inherited)
    : carrier_(std::move(carrier)), inherited_(std::move(inherited)) {}

void FdStore::keep(const std::string& name, int fd) const {
    if (is_kept() && fd >= 0) {
        carrier_.keep(name, fd);
    }
}

void FdStore::drop(const std::string& name) const {
    if (is_kept()) {
        carrier_.drop(name);
    }
}

void FdStore::settle() const {
    if (carrier_.settle) {
        carrier_.settle();
    }
}

UniqueFd FdStore::take(const std::string& name) {
    const std::scoped_lock guard(lock_);
    auto node = inherited_.extract(name);
    return node ? std::move(node.mapped()) : UniqueFd();
}

int FdStore::look_at(const std::string& name) const {
    const std::scoped_lock guard(lock_);
    const auto found = inherited_.find(name);
    return found == inherited_.end() ? -1 : found->second.get();
}

std::vector<std::string> FdStore::inherited(std::string_view prefix) const {
    const std::scoped_lock guard(lock_);
    std::vector<std::string> names;
    for (auto next = inherited_.lower_bound(std::string(prefix));
         next != inherited_.end() && next->first.starts_with(prefix); ++next) {
        names.push_back(next->first);
    }
    return names;
}

void FdStore::drop_rest() {
    std::set<std::string> names;
    {
        const std::scoped_lock guard(lock_);
        for (const auto& [name, file] : inherited_) {
            names.insert(name);
        }
        inherited_.clear();
    }
    for (const auto& name : names) {
        drop(name);
    }
}

} // namespace hvisor
