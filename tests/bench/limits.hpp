// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "image.hpp"
#include "kit/ram.hpp"
#include "measure.hpp"

#include <optional>

// What nothing that does the same work can beat: loops of the bare system call
// or copy. Each runs on the calling thread.
namespace hvisor::bench {

/// pread(), pwrite() or fdatasync(), one after the other, from and to
/// `load.depth` buffers in the guest's RAM, as the daemon does it.
[[nodiscard]] Outcome system_call_loop(const UniqueFd& file, const Load& load, kit::Ram& ram);

/// The same by a thread on `cpu` that sleeps until the caller asks it for one;
/// latencies are the caller's.
[[nodiscard]] Outcome woken_call_loop(const UniqueFd& file, const Load& load, kit::Ram& ram, int cpu);

/// The same by a thread on `cpu` that polls for what the caller asks for,
/// `load.depth` at once: a server whose questions and answers take one cache
/// line each way, and whose memory the other CPU looks at.
[[nodiscard]] Outcome asked_call_loop(const UniqueFd& file, const Load& load, kit::Ram& ram, int cpu);

/// The same by io_uring with `load.depth` in flight; nothing on a kernel
/// that does not let us.
[[nodiscard]] std::optional<Outcome> io_uring_loop(const UniqueFd& file, const Load& load);

/// Copies between the image's pages and the guest's RAM.
[[nodiscard]] Outcome copy_loop(const UniqueFd& file, const Load& load, kit::Ram& ram);

} // namespace hvisor::bench
