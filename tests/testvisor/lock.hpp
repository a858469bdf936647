// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "panic.hpp"

namespace testvisor {

class SpinLock {
  public:
    bool try_lock() { return !__atomic_exchange_n(&held_, true, __ATOMIC_ACQUIRE); }
    void lock() {
        while (!try_lock()) {
            relax();
        }
    }
    void unlock() { __atomic_store_n(&held_, false, __ATOMIC_RELEASE); }

  private:
    bool held_ = false;
};

class Guard {
  public:
    explicit Guard(SpinLock& lock) : lock_(lock) { lock_.lock(); }
    ~Guard() { lock_.unlock(); }
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;
    Guard(Guard&&) = delete;
    Guard& operator=(Guard&&) = delete;

  private:
    SpinLock& lock_;
};

} // namespace testvisor
