// SPDX-License-Identifier: Apache-2.0
#include "zone/kept_files.hpp"

#include "base/log.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <format>
#include <utility>

namespace hvisor::zone {

std::string fresh_key() {
    static std::atomic<unsigned> last{0};
    // Later than every one of a process before this one.
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    return std::format("{:016x}-{:04x}", std::chrono::nanoseconds(now).count(), last.fetch_add(1));
}

KeptFiles::KeptFiles(FdStore& store, std::string key)
    : store_(store), is_continued_(!key.empty()), key_(is_continued_ ? std::move(key) : fresh_key()) {}

std::shared_ptr<const StateMemory> KeptFiles::memory(const std::string& name, std::size_t size) {
    if (!store_.is_kept() && !is_continued_) {
        return nullptr;
    }
    if (is_continued_) {
        auto old = StateMemory::open(take("state"), name, size);
        if (old) {
            return std::make_shared<const StateMemory>(std::move(*old));
        }
        log::error("{}", old.error().message);
    }
    auto memory = StateMemory::create(name, size);
    if (!memory) {
        log::warning("{}; it does not outlive this process", memory.error().message);
        return nullptr;
    }
    if (is_continued_) {
        memory->bytes().front() = std::byte{0xff};
    }
    keep("state", memory->fd());
    return std::make_shared<const StateMemory>(std::move(*memory));
}

void KeptFiles::keep(const std::string& what, int fd) {
    const auto name = name_of(key_, what);
    const std::scoped_lock guard(lock_);
    if (is_forgotten_) {
        return;
    }
    if (!names_.insert(name).second) {
        store_.drop(name);
    }
    store_.keep(name, fd);
}

bool KeptFiles::has(const std::string& what) {
    const std::scoped_lock guard(lock_);
    return names_.contains(name_of(key_, what));
}

bool KeptFiles::drop(const std::string& what) {
    const auto name = name_of(key_, what);
    const std::scoped_lock guard(lock_);
    const bool was_kept = names_.erase(name) != 0;
    if (was_kept) {
        store_.drop(name);
    }
    return was_kept;
}

bool KeptFiles::drop_all(const std::string& what) {
    const auto prefix = name_of(key_, what + ".");
    const std::scoped_lock guard(lock_);
    return std::erase_if(names_, [&](const std::string& name) {
               const bool is_meant = name.starts_with(prefix);
               if (is_meant) {
                   store_.drop(name);
               }
               return is_meant;
           }) != 0;
}

UniqueFd KeptFiles::take(const std::string& what) {
    const auto name = name_of(key_, what);
    auto file = store_.take(name);
    if (file) {
        const std::scoped_lock guard(lock_);
        names_.insert(name);
    }
    return file;
}

std::vector<UniqueFd> KeptFiles::take_all(const std::string& what) {
    std::vector<UniqueFd> files;
    while (auto file = take(std::format("{}.{}", what, files.size()))) {
        files.push_back(std::move(file));
    }
    return files;
}

std::optional<KeptFiles::Named> KeptFiles::take_one_of(const std::string& what) {
    const auto prefix = what + ".";
    const auto names = store_.inherited(name_of(key_, prefix));
    if (names.empty()) {
        return std::nullopt;
    }
    auto rest = names.front().substr(name_of(key_, prefix).size());
    auto file = take(prefix + rest);
    return Named{.rest = std::move(rest), .file = std::move(file)};
}

void KeptFiles::forget() {
    const std::scoped_lock guard(lock_);
    is_forgotten_ = true;
    for (const auto& name : std::exchange(names_, {})) {
        store_.drop(name);
    }
}

} // namespace hvisor::zone
