// SPDX-License-Identifier: Apache-2.0
#include "devices/block/engine_worker.hpp"

#include "base/thread.hpp"

#include <chrono>
#include <utility>

namespace hvisor::devices::block {
namespace {

/// The owner hears of finished operations at the latest after this time, and
/// at once when there are no others: to wake it, and the guest after it, costs
/// as much as several small ones where they share a core.
constexpr std::chrono::microseconds batch_time{200};

} // namespace

WorkerEngine::WorkerEngine(Reactor& owner, const FileBackend& backend, std::string name, Callbacks callbacks)
    : owner_(owner),
      backend_(backend),
      name_(std::move(name)),
      callbacks_(std::move(callbacks)),
      waker_(owner, [this] { callbacks_.ready(); }) {}

WorkerEngine::~WorkerEngine() {
    {
        const std::scoped_lock guard(lock_);
        stop_ = true;
    }
    changed_.notify_all();
}

void WorkerEngine::submit(Operation& operation) {
    submitted_.push_back(&operation);
}

void WorkerEngine::flush() {
    if (submitted_.empty()) {
        return;
    }
    owner_.begin_wait(submitted_.size());
    if (!thread_.joinable()) {
        // A crash is the process's: the guest's requests would never end.
        thread_ = spawn_thread({.name = name_, .cpus = {}, .on_crash = {}}, [this] { run(); });
    }
    {
        const std::scoped_lock guard(lock_);
        waiting_.insert(waiting_.end(), submitted_.begin(), submitted_.end());
    }
    changed_.notify_all();
    submitted_.clear();
}

void WorkerEngine::run() {
    std::vector<Operation*> batch;
    std::vector<Operation*> done;
    for (;;) {
        {
            std::unique_lock guard(lock_);
            changed_.wait(guard, [this] { return stop_ || !waiting_.empty(); });
            if (stop_) {
                return;
            }
            batch.swap(waiting_);
        }
        auto delivered = Reactor::Clock::now();
        for (auto* operation : batch) {
            backend_.carry_out(*operation);
            done.push_back(operation);
            if (const auto now = Reactor::Clock::now(); now - delivered >= batch_time) {
                deliver(done);
                delivered = now;
            }
        }
        deliver(done);
        batch.clear();
    }
}

void WorkerEngine::deliver(std::vector<Operation*>& done) {
    if (done.empty()) {
        return;
    }
    {
        const std::scoped_lock guard(lock_);
        finished_.insert(finished_.end(), done.begin(), done.end());
    }
    done.clear();
    waker_.wake();
}

void WorkerEngine::reap() {
    {
        const std::scoped_lock guard(lock_);
        taken_.swap(finished_);
    }
    owner_.end_wait(taken_.size());
    for (auto* operation : taken_) {
        callbacks_.done(*operation);
    }
    taken_.clear();
}

} // namespace hvisor::devices::block
