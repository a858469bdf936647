// SPDX-License-Identifier: Apache-2.0
#include "limits.hpp"

#include "machine.hpp"

#include <atomic>
#include <cstring>
#include <liburing.h>
#include <memory>
#include <stdexcept>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <thread>
#include <unistd.h>
#include <utility>

namespace hvisor::bench {
namespace {

/// Call step(slot, block) for one block of the load after the other until its time is up.
template <class Step>
Outcome repeat(const Load& load, Step step) {
    // Looking at the clock shall not be a part of what is measured.
    const std::uint64_t between_looks = load.has_latencies || load.once ? 1 : 16;
    Outcome outcome;
    std::size_t next = 0;
    const auto begin = Times::now();
    const auto end = Clock::now() + std::chrono::duration_cast<Clock::duration>(Seconds(load.seconds));
    for (auto now = Clock::now(); now < end;) {
        step(outcome.requests % load.depth, load.is_flush ? 0 : load.blocks[next]);
        ++outcome.requests;
        if (outcome.requests % between_looks == 0) {
            const auto after = Clock::now();
            if (load.has_latencies) {
                outcome.latencies.add(after - now);
            }
            now = after;
        }
        if (!load.is_flush && ++next == load.blocks.size()) {
            if (load.once) {
                break;
            }
            next = 0;
        }
    }
    outcome.times = Times::now() - begin;
    std::swap(outcome.times.own, outcome.times.others); // here the caller does the work
    return outcome;
}

std::byte* make_buffers(const Load& load, kit::Ram& ram) {
    return ram.at(ram.allocate(std::size_t{load.bytes} * load.depth, block_bytes));
}

} // namespace

Outcome system_call_loop(const UniqueFd& file, const Load& load, kit::Ram& ram) {
    auto* buffers = make_buffers(load, ram);
    return repeat(load, [&](std::size_t slot, std::uint32_t block) {
        auto* buffer = buffers + slot * load.bytes;
        const auto offset = static_cast<off_t>(block) * load.bytes;
        if (load.is_flush) {
            if (::fdatasync(file.get()) != 0) {
                fail("fdatasync");
            }
            return;
        }
        if (load.is_write) {
            mark_block(buffer, load, block);
        }
        const auto done = load.is_write ? ::pwrite(file.get(), buffer, load.bytes, offset)
                                        : ::pread(file.get(), buffer, load.bytes, offset);
        if (done != static_cast<ssize_t>(load.bytes)) {
            fail(load.is_write ? "pwrite" : "pread");
        }
        if (!load.is_write) {
            check_block(buffer, load, block);
        }
    });
}

Outcome woken_call_loop(const UniqueFd& file, const Load& load, kit::Ram& ram, int cpu) {
    auto* buffer = make_buffers(load, ram);
    const UniqueFd bell(::eventfd(0, EFD_CLOEXEC));
    constexpr std::int64_t none = -1;
    constexpr std::int64_t end = -2;
    std::atomic<std::int64_t> wanted{none};
    const auto serve = [&] {
        pin_to(cpu);
        for (eventfd_t rings = 0; ::eventfd_read(bell.get(), &rings) == 0;) {
            const auto block = wanted.load();
            if (block == end) {
                return;
            }
            static_cast<void>(::pread(file.get(), buffer, load.bytes, block * load.bytes));
            wanted.store(none);
        }
    };
    const auto ask = [&](std::int64_t what) {
        wanted.store(what);
        ::eventfd_write(bell.get(), 1);
    };
    const std::jthread server(serve);
    auto outcome = repeat(load, [&](std::size_t, std::uint32_t block) {
        ask(block);
        while (wanted.load() != none) {
        }
        check_block(buffer, load, block);
    });
    ask(end);
    return outcome;
}

Outcome asked_call_loop(const UniqueFd& file, const Load& load, kit::Ram& ram, int cpu) {
    constexpr std::int64_t done = -1;
    constexpr std::int64_t end = -2;
    struct alignas(64) Slot {
        std::atomic<std::int64_t> wanted{done};
        std::uint32_t block = 0; ///< the caller's
    };
    auto* buffers = make_buffers(load, ram);
    std::vector<Slot> slots(load.depth);
    const auto serve = [&] {
        pin_to(cpu);
        for (std::size_t next = 0;; next = (next + 1) % load.depth) {
            auto& slot = slots[next];
            std::int64_t block = done;
            while ((block = slot.wanted.load(std::memory_order_acquire)) == done) {
            }
            if (block == end) {
                return;
            }
            auto* buffer = buffers + next * load.bytes;
            const auto offset = static_cast<off_t>(block) * load.bytes;
            static_cast<void>(load.is_write ? ::pwrite(file.get(), buffer, load.bytes, offset)
                                            : ::pread(file.get(), buffer, load.bytes, offset));
            slot.wanted.store(done, std::memory_order_release);
        }
    };
    const auto finish = [&](std::size_t number) {
        while (slots[number].wanted.load(std::memory_order_acquire) != done) {
        }
    };
    std::uint64_t asked = 0;
    const std::jthread server(serve);
    auto outcome = repeat(load, [&](std::size_t number, std::uint32_t block) {
        auto& slot = slots[number];
        auto* buffer = buffers + number * load.bytes;
        finish(number);
        if (!load.is_write && asked >= load.depth) {
            check_block(buffer, load, slot.block);
        }
        if (load.is_write) {
            mark_block(buffer, load, block);
        }
        slot.block = block;
        slot.wanted.store(block, std::memory_order_release);
        ++asked;
    });
    for (std::size_t number = 0; number < load.depth; ++number) {
        finish(number);
    }
    slots[asked % load.depth].wanted.store(end, std::memory_order_release);
    return outcome;
}

Outcome copy_loop(const UniqueFd& file, const Load& load, kit::Ram& ram) {
    const auto size = std::size_t{load.bytes} * load.blocks.size();
    auto* mapped = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, file.get(), 0);
    if (mapped == MAP_FAILED) {
        fail("cannot map an image");
    }
    const Mapping owner(mapped, size);
    auto* buffers = make_buffers(load, ram);
    return repeat(load, [&](std::size_t slot, std::uint32_t block) {
        auto* buffer = buffers + slot * load.bytes;
        auto* page = owner.data() + std::size_t{block} * load.bytes;
        if (load.is_write) {
            mark_block(buffer, load, block);
            std::memcpy(page, buffer, load.bytes);
        } else {
            std::memcpy(buffer, page, load.bytes);
            check_block(buffer, load, block);
        }
    });
}

std::optional<Outcome> io_uring_loop(const UniqueFd& file, const Load& load) {
    io_uring ring{};
    if (::io_uring_queue_init(load.depth, &ring, 0) < 0) {
        return std::nullopt; // forbidden, or a kernel without it
    }
    const std::unique_ptr<io_uring, void (*)(io_uring*)> owner(&ring, ::io_uring_queue_exit);
    // Memory of its own: what O_DIRECT needs is not what guest RAM is.
    const auto size = std::size_t{load.bytes} * load.depth;
    auto* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        fail("cannot map buffers");
    }
    const Mapping buffers(memory, size);
    std::vector<std::uint32_t> blocks(load.depth);
    Outcome outcome;
    std::size_t next = 0;
    unsigned in_flight = 0;
    bool goes_on = true;
    const auto submit = [&](std::uint64_t slot) {
        blocks.at(slot) = load.blocks[next];
        auto* entry = ::io_uring_get_sqe(&ring);
        ::io_uring_prep_read(entry, file.get(), buffers.data() + slot * load.bytes, load.bytes,
                             std::uint64_t{load.blocks[next]} * load.bytes);
        ::io_uring_sqe_set_data64(entry, slot);
        ++in_flight;
        goes_on = goes_on && ++next < load.blocks.size();
    };
    const auto begin = Times::now();
    const auto end = Clock::now() + std::chrono::duration_cast<Clock::duration>(Seconds(load.seconds));
    for (unsigned slot = 0; slot < load.depth; ++slot) {
        submit(slot);
    }
    while (in_flight != 0) {
        ::io_uring_submit_and_wait(&ring, 1);
        io_uring_cqe* done = nullptr;
        goes_on = goes_on && Clock::now() < end;
        while (::io_uring_peek_cqe(&ring, &done) == 0) {
            const auto slot = ::io_uring_cqe_get_data64(done);
            if (done->res != static_cast<int>(load.bytes)) {
                throw std::runtime_error("io_uring: a read failed");
            }
            ::io_uring_cqe_seen(&ring, done);
            check_block(buffers.data() + slot * load.bytes, load, blocks.at(slot));
            ++outcome.requests;
            --in_flight;
            if (goes_on) {
                submit(slot);
            }
        }
    }
    outcome.times = Times::now() - begin;
    std::swap(outcome.times.own, outcome.times.others);
    return outcome;
}

} // namespace hvisor::bench
