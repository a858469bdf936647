// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/blame.hpp"

#include <csignal>
#include <functional>
#include <stdexcept>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace hvisor::kit {

/// The signal that ends a process which does this and counts its faults; 0 when it ends by itself.
inline int end_of(const std::function<void()>& body) {
    const auto child = ::fork();
    if (child == 0) {
        // No sanitizer tells of it, and nobody looks into its memory.
        for (const int fault : fault_signals) {
            static_cast<void>(std::signal(fault, SIG_DFL));
        }
        const ::rlimit none{.rlim_cur = 0, .rlim_max = 0};
        ::setrlimit(RLIMIT_CORE, &none);
        count_faults();
        body();
        ::_exit(0);
    }
    int status = 0;
    if (::waitpid(child, &status, 0) != child) {
        throw std::runtime_error("no process to wait for");
    }
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

} // namespace hvisor::kit
