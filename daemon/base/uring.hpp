// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <liburing.h>
#include <memory>
#include <span>

namespace hvisor {

/// An io_uring of one thread: the one that makes it submits to it, and takes
/// its completions when it asks for them, not as a signal in the middle of
/// something.
class Uring {
  public:
    /// Room for `submissions` that are handed over at once and `completions`
    /// that nobody has taken; IOSQE_FIXED_FILE's number n is files[n]. Null when
    /// the kernel has no io_uring that is good enough, or forbids it; the kernel
    /// is asked once.
    [[nodiscard]] static std::unique_ptr<Uring> create(unsigned submissions, unsigned completions,
                                                       std::span<const int> files);
    Uring(const Uring&) = delete;
    Uring& operator=(const Uring&) = delete;
    Uring(Uring&&) = delete;
    Uring& operator=(Uring&&) = delete;
    ~Uring();

    [[nodiscard]] io_uring* get() { return &ring_; }

    /// Let go of the files now: the ring itself takes its time when it ends.
    /// Nothing is in flight. On its thread.
    void release_files();

  private:
    explicit Uring(const io_uring& ring) : ring_(ring) {}

    io_uring ring_;
};

} // namespace hvisor
