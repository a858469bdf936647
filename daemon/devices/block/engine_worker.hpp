// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/reactor.hpp"
#include "devices/block/backend_file.hpp"
#include "devices/block/operation.hpp"

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace hvisor::devices::block {

/// Carries out operations one after the other on a thread of its own, which
/// begins with the first one. For kernels without io_uring, and for buffered
/// writes: io_uring hands those to kernel threads, which costs half as much
/// again (8.2 against 5.7 µs for 4 KiB on ext4, Linux 6.18).
class WorkerEngine final : public Engine {
  public:
    WorkerEngine(Reactor& owner, const FileBackend& backend, std::string name, Callbacks callbacks);
    WorkerEngine(const WorkerEngine&) = delete;
    WorkerEngine& operator=(const WorkerEngine&) = delete;
    WorkerEngine(WorkerEngine&&) = delete;
    WorkerEngine& operator=(WorkerEngine&&) = delete;
    ~WorkerEngine() override;

    void submit(Operation& operation) override;
    void flush() override;
    void reap() override;

  private:
    void run();
    void deliver(std::vector<Operation*>& done);

    Reactor& owner_;
    const FileBackend& backend_;
    std::string name_;
    Callbacks callbacks_;
    std::vector<Operation*> submitted_; ///< the owner's
    std::vector<Operation*> taken_;     ///< the owner's

    std::mutex lock_;
    std::condition_variable changed_;
    std::vector<Operation*> waiting_;  ///< under lock_
    std::vector<Operation*> finished_; ///< under lock_
    bool stop_ = false;                ///< under lock_
    Reactor::Waker waker_;
    std::jthread thread_;
};

} // namespace hvisor::devices::block
