// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kit/wait.hpp"
#include "virtio/guest_port.hpp"

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

namespace hvisor::kit {

/// The guest at the other end of a device under test: takes notes.
class FakePort final : public virtio::GuestPort {
  public:
    void inject(std::uint32_t zone, std::uint32_t interrupt) override {
        const std::scoped_lock guard(lock_);
        injected_.emplace_back(zone, interrupt);
        changed_.notify_all();
    }
    void answer(std::uint32_t cpu, std::uint64_t value) override {
        const std::scoped_lock guard(lock_);
        answers_.emplace_back(cpu, value);
        changed_.notify_all();
    }

    [[nodiscard]] std::size_t injections() const {
        const std::scoped_lock guard(lock_);
        return injected_.size();
    }
    [[nodiscard]] std::vector<std::pair<std::uint32_t, std::uint64_t>> answers() const {
        const std::scoped_lock guard(lock_);
        return answers_;
    }
    [[nodiscard]] bool wait_for_injections(std::size_t count, std::chrono::milliseconds timeout = patience) {
        std::unique_lock guard(lock_);
        return changed_.wait_for(guard, timeout, [&] { return injected_.size() >= count; });
    }
    [[nodiscard]] bool wait_for_answers(std::size_t count, std::chrono::milliseconds timeout = patience) {
        std::unique_lock guard(lock_);
        return changed_.wait_for(guard, timeout, [&] { return answers_.size() >= count; });
    }

  private:
    mutable std::mutex lock_;
    std::condition_variable changed_;
    std::vector<std::pair<std::uint32_t, std::uint32_t>> injected_;
    std::vector<std::pair<std::uint32_t, std::uint64_t>> answers_;
};

} // namespace hvisor::kit
