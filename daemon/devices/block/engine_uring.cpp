// SPDX-License-Identifier: Apache-2.0
#include "devices/block/engine_uring.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <linux/fs.h>
#include <span>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <utility>

namespace hvisor::devices::block {
namespace {

/// Operations that are handed to the kernel at once; more are handed over in pieces.
constexpr unsigned submission_entries = 64;
constexpr int file_slot = 0;
constexpr std::chrono::milliseconds retry_time{1};

} // namespace

UringEngine::UringEngine(Reactor& owner, Callbacks callbacks)
    : owner_(owner), callbacks_(std::move(callbacks)), retry_(owner, [this] { flush(); }) {}

std::unique_ptr<UringEngine> UringEngine::create(Reactor& owner, int file, unsigned depth,
                                                 Callbacks callbacks) {
    std::unique_ptr<UringEngine> engine(new UringEngine(owner, std::move(callbacks)));
    if (!engine->set_up(file, depth)) {
        return nullptr;
    }
    return engine;
}

bool UringEngine::set_up(int file, unsigned depth) {
    ring_ = Uring::create(submission_entries, depth, std::span(&file, 1));
    if (!ring_) {
        return false;
    }
    event_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    return event_ && io_uring_register_eventfd(ring_->get(), event_.get()) == 0 &&
           owner_.watch(event_.get(), EPOLLIN | EPOLLET, [this](std::uint32_t) { callbacks_.ready(); });
}

UringEngine::~UringEngine() {
    if (event_) {
        owner_.unwatch(event_.get());
    }
}

void UringEngine::submit(Operation& operation) {
    auto* entry = io_uring_get_sqe(ring_->get());
    if (entry == nullptr) {
        flush();
        entry = io_uring_get_sqe(ring_->get());
    }
    if (entry == nullptr) {
        operation.result = -EAGAIN;
        callbacks_.done(operation);
        return;
    }
    const auto count = static_cast<unsigned>(operation.pieces.size());
    switch (operation.kind) {
    case Operation::Kind::write:
        io_uring_prep_writev2(entry, file_slot, operation.pieces.data(), count, operation.offset,
                              operation.durable ? RWF_DSYNC : 0);
        break;
    case Operation::Kind::flush:
        io_uring_prep_fsync(entry, file_slot, IORING_FSYNC_DATASYNC);
        break;
    default:
        io_uring_prep_readv(entry, file_slot, operation.pieces.data(), count, operation.offset);
        break;
    }
    io_uring_sqe_set_flags(entry, IOSQE_FIXED_FILE);
    io_uring_sqe_set_data(entry, &operation);
    ++unsubmitted_;
    owner_.begin_wait(1);
}

void UringEngine::flush() {
    while (unsubmitted_ != 0) {
        const int submitted = io_uring_submit(ring_->get());
        if (submitted <= 0) {
            // Short of memory, most likely: what is in the ring stays there.
            retry_.set(Reactor::Clock::now() + retry_time);
            return;
        }
        unsubmitted_ -= std::min(unsubmitted_, static_cast<unsigned>(submitted));
        // What was in the page cache is done already.
        take_completions();
    }
}

void UringEngine::reap() {
    // Completions wait until this thread asks for them.
    io_uring_get_events(ring_->get());
    take_completions();
}

void UringEngine::take_completions() {
    // A completion may submit, and so come here again: one look at a time.
    if (std::exchange(is_reaping_, true)) {
        return;
    }
    std::array<io_uring_cqe*, 32> entries{};
    while (const unsigned count = io_uring_peek_batch_cqe(ring_->get(), entries.data(), entries.size())) {
        for (unsigned i = 0; i < count; ++i) {
            auto& operation = *static_cast<Operation*>(io_uring_cqe_get_data(entries.at(i)));
            operation.result = entries.at(i)->res;
            // Only now the slot may be used again, and before done() submits more.
            io_uring_cq_advance(ring_->get(), 1);
            owner_.end_wait(1);
            callbacks_.done(operation);
        }
    }
    is_reaping_ = false;
}

} // namespace hvisor::devices::block
