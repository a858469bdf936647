// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/reactor.hpp"
#include "base/unique_fd.hpp"
#include "base/uring.hpp"
#include "devices/block/operation.hpp"

#include <memory>

namespace hvisor::devices::block {

/// Carries out reads, writes and flushes with io_uring.
class UringEngine final : public Engine {
  public:
    /// Null when the kernel has no io_uring that is good enough, or forbids
    /// it; that is found out once. On the owner thread, like everything.
    [[nodiscard]] static std::unique_ptr<UringEngine> create(Reactor& owner, int file, unsigned depth,
                                                             Callbacks callbacks);
    UringEngine(const UringEngine&) = delete;
    UringEngine& operator=(const UringEngine&) = delete;
    UringEngine(UringEngine&&) = delete;
    UringEngine& operator=(UringEngine&&) = delete;
    ~UringEngine() override;

    void submit(Operation& operation) override;
    void flush() override;
    void reap() override;

  private:
    UringEngine(Reactor& owner, Callbacks callbacks);
    [[nodiscard]] bool set_up(int file, unsigned depth);
    void take_completions();

    Reactor& owner_;
    Callbacks callbacks_;
    std::unique_ptr<Uring> ring_;
    bool is_reaping_ = false;
    unsigned unsubmitted_ = 0;
    UniqueFd event_;
    Reactor::Timer retry_;
};

} // namespace hvisor::devices::block
