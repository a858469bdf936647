// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <linux/kcmp.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace hvisor {

/// Whether two descriptors are of one open file (open(2), "open file description"), as dup(2)
/// makes them; false also where the kernel does not tell (kcmp(2)).
[[nodiscard]] inline bool is_same_file(int one, int other) {
    const auto process = ::getpid();
    return ::syscall(SYS_kcmp, process, process, KCMP_FILE, one, other) == 0;
}

} // namespace hvisor
