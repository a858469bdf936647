// SPDX-License-Identifier: Apache-2.0
#include "base/thread.hpp"

#include "base/blame.hpp"
#include "base/log.hpp"

#include <csignal>
#include <cstdlib>
#include <exception>
#include <pthread.h>
#include <sched.h>
#include <utility>

namespace hvisor {
namespace {

void set_affinity(const std::vector<int>& cpus) {
    if (cpus.empty()) {
        return;
    }
    cpu_set_t set;
    CPU_ZERO(&set);
    for (const int cpu : cpus) {
        CPU_SET(static_cast<unsigned>(cpu), &set);
    }
    // A CPU that is not there costs placement, not function.
    if (pthread_setaffinity_np(pthread_self(), sizeof set, &set) != 0) {
        log::warning("cannot place this thread on the configured CPUs");
    }
}

void run(const ThreadOptions& options, const std::function<void()>& body) {
    pthread_setname_np(pthread_self(), options.name.substr(0, 15).c_str());
    set_affinity(options.cpus);
    std::string reason = "unknown exception";
    try {
        body();
        return;
    } catch (const std::exception& e) {
        reason = e.what();
    } catch (...) { // NOLINT(bugprone-empty-catch): the reason says it
    }
    log::error("thread {} failed: {}", options.name, reason);
    if (!options.on_crash) {
        std::abort();
    }
    options.on_crash();
}

} // namespace

std::jthread spawn_thread(ThreadOptions options, std::function<void()> body) {
    sigset_t all;
    sigset_t old;
    sigfillset(&all);
    // A fault of the thread is nobody else's, and blocked it could not be handled.
    for (const int fault : fault_signals) {
        sigdelset(&all, fault);
    }
    // Blocked before the thread exists, so that there is no moment at which it takes a signal.
    pthread_sigmask(SIG_SETMASK, &all, &old);
    std::jthread thread([options = std::move(options), body = std::move(body)] { run(options, body); });
    pthread_sigmask(SIG_SETMASK, &old, nullptr);
    return thread;
}

} // namespace hvisor
