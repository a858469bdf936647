// SPDX-License-Identifier: Apache-2.0
#include "base/thread.hpp"

#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <csignal>
#include <pthread.h>
#include <stdexcept>
#include <string>

using namespace hvisor;

TEST_CASE("a thread has its name and takes no signals but its own faults") {
    std::string name(16, '\0');
    bool blocked = false;
    bool faults = false;
    auto thread = spawn_thread({.name = "block-a003c00-and-more", .cpus = {}, .on_crash = {}}, [&] {
        pthread_getname_np(pthread_self(), name.data(), name.size());
        sigset_t mask;
        pthread_sigmask(SIG_SETMASK, nullptr, &mask);
        blocked = sigismember(&mask, SIGTERM) == 1 && sigismember(&mask, SIGPIPE) == 1;
        faults = sigismember(&mask, SIGSEGV) == 0 && sigismember(&mask, SIGABRT) == 0;
    });
    thread.join();
    CHECK(name.substr(0, name.find('\0')) == "block-a003c00-a");
    CHECK(blocked);
    CHECK(faults);

    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    CHECK(sigismember(&mask, SIGTERM) == 0);
}

TEST_CASE("an exception that leaves a thread ends that thread only") {
    std::atomic<bool> crashed{false};
    auto thread = spawn_thread({.name = "test", .cpus = {}, .on_crash = [&] { crashed = true; }},
                               [] { throw std::runtime_error("on purpose"); });
    thread.join();
    CHECK(crashed);
}
