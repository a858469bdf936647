// SPDX-License-Identifier: Apache-2.0
#include "base/uring.hpp"

#include "base/log.hpp"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>

namespace hvisor {
namespace {

/// The kernel said no once; it will say so again.
std::atomic<bool> is_unavailable{false};

} // namespace

std::unique_ptr<Uring> Uring::create(unsigned submissions, unsigned completions, std::span<const int> files) {
    if (is_unavailable.load()) {
        return nullptr;
    }
    io_uring_params params{};
    // Completions come when the thread asks for them (Linux 6.1).
    params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE;
    params.cq_entries = std::bit_ceil(std::max(completions, submissions));
    io_uring ring{};
    if (const int error = io_uring_queue_init_params(submissions, &ring, &params); error != 0) {
        if (!is_unavailable.exchange(true)) {
            log::info("no io_uring here ({}): disks use threads, frames go one by one",
                      std::strerror(-error));
        }
        return nullptr;
    }
    std::unique_ptr<Uring> uring(new Uring(ring));
    if (io_uring_register_files(uring->get(), files.data(), static_cast<unsigned>(files.size())) != 0) {
        return nullptr;
    }
    return uring;
}

Uring::~Uring() {
    io_uring_queue_exit(&ring_);
}

void Uring::release_files() {
    io_uring_unregister_files(&ring_);
}

} // namespace hvisor
