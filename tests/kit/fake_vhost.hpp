// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/unique_fd.hpp"
#include "devices/vsock/vhost.hpp"
#include "devices/vsock/vhost_calls.hpp"
#include "guest/guest_span.hpp"
#include "kit/driver_queue.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <fcntl.h>
#include <memory>
#include <mutex>
#include <optional>
#include <poll.h>
#include <span>
#include <sys/eventfd.h>
#include <thread>
#include <utility>
#include <vector>

namespace hvisor::kit {

/// The kernel's vhost-vsock, for machines without one and for what the real
/// one cannot be made to do. It refuses what the kernel refuses; while it runs
/// its worker gives back at once what the guest sends, and puts what a test
/// has for the guest into its receive buffers.
class FakeVhost {
  public:
    static constexpr std::uint64_t event_idx = 1ULL << 29;
    /// Linux 6.12: NOTIFY_ON_EMPTY, LOG_ALL, ANY_LAYOUT, INDIRECT_DESC,
    /// EVENT_IDX, VERSION_1, ACCESS_PLATFORM, SEQPACKET.
    static constexpr std::uint64_t linux_features =
        1ULL << 24 | 1ULL << 26 | 1ULL << 27 | 1ULL << 28 | event_idx | 1ULL << 32 | 1ULL << 33 | 1ULL << 1;

    FakeVhost() = default;
    FakeVhost(const FakeVhost&) = delete;
    FakeVhost& operator=(const FakeVhost&) = delete;
    FakeVhost(FakeVhost&&) = delete;
    FakeVhost& operator=(FakeVhost&&) = delete;
    ~FakeVhost() = default;

    // What it is like; before it is opened.
    std::uint64_t features = linux_features;
    std::uint64_t taken_cid = 0;
    std::atomic<unsigned long> refused{0}; ///< a request that fails

    /// `kernel` is looked at after the file was closed, too.
    static std::unique_ptr<devices::vsock::VhostFile> open(std::shared_ptr<FakeVhost> kernel) {
        return std::make_unique<File>(std::move(kernel));
    }

    // What it was told; any thread.
    [[nodiscard]] bool is_running() const { return is_running_; }
    [[nodiscard]] bool is_open() const { return is_open_; }
    [[nodiscard]] std::uint64_t cid() const { return cid_; }
    [[nodiscard]] std::uint64_t negotiated() const { return negotiated_; }
    [[nodiscard]] std::vector<vhost_memory_region> memory() const {
        const std::scoped_lock guard(lock_);
        return memory_;
    }
    [[nodiscard]] vhost_vring_addr ring(std::size_t index) const {
        const std::scoped_lock guard(lock_);
        return rings_.at(index).addresses;
    }

    /// Its process ends, and it with that.
    void end() { stop(); }
    /// For the guest, as soon as it has a buffer.
    void deliver(std::vector<std::byte> bytes) {
        const std::scoped_lock guard(lock_);
        arrived_.push_back(std::move(bytes));
        ::eventfd_write(wake_.get(), 1);
    }
    /// As when the worker met something that it cannot work with.
    void report_error(std::size_t ring) {
        const std::scoped_lock guard(lock_);
        ::eventfd_write(rings_.at(ring).error.get(), 1);
    }

  private:
    struct Ring {
        std::uint32_t size = 0;
        std::uint16_t next_avail = 0;
        std::uint16_t next_used = 0;
        bool is_broken = false;
        vhost_vring_addr addresses{};
        UniqueFd kick;
        UniqueFd call;
        UniqueFd error;

        [[nodiscard]] guest::GuestSpan avail() const {
            return span(addresses.avail_user_addr, 6 + 2UL * size);
        }
        [[nodiscard]] guest::GuestSpan used() const { return span(addresses.used_user_addr, 6 + 8UL * size); }
        [[nodiscard]] guest::GuestSpan descriptors() const {
            return span(addresses.desc_user_addr, 16UL * size);
        }
        static guest::GuestSpan span(std::uint64_t address, std::size_t length) {
            // NOLINTNEXTLINE(performance-no-int-to-ptr): so the kernel gets it
            return {reinterpret_cast<std::byte*>(address), length};
        }
    };

    class File final : public devices::vsock::VhostFile {
      public:
        explicit File(std::shared_ptr<FakeVhost> kernel) : kernel_(std::move(kernel)) {
            kernel_->is_open_ = true;
        }
        File(const File&) = delete;
        File& operator=(const File&) = delete;
        File(File&&) = delete;
        File& operator=(File&&) = delete;
        ~File() override {
            kernel_->stop();
            kernel_->is_open_ = false;
        }
        int call(unsigned long request, void* argument) override {
            errno = request == kernel_->refused ? EFAULT : kernel_->obey(request, argument);
            return errno == 0 ? 0 : -1;
        }

      private:
        std::shared_ptr<FakeVhost> kernel_;
    };

    /// 0, or errno as the kernel has it.
    int obey(unsigned long request, void* argument) {
        if (request == VHOST_GET_FEATURES) {
            std::memcpy(argument, &features, sizeof features);
            return 0;
        }
        if (request == VHOST_SET_OWNER) {
            return std::exchange(has_owner_, true) ? EBUSY : 0;
        }
        if (!has_owner_) {
            return EPERM;
        }
        if (request == VHOST_VSOCK_SET_RUNNING) {
            return run(*static_cast<int*>(argument) != 0);
        }
        const std::scoped_lock guard(lock_);
        switch (request) {
        case VHOST_SET_FEATURES: {
            std::uint64_t bits = 0;
            std::memcpy(&bits, argument, sizeof bits);
            negotiated_ = bits;
            return (bits & ~features) == 0 ? 0 : EOPNOTSUPP;
        }
        case VHOST_VSOCK_SET_GUEST_CID: {
            std::uint64_t cid = 0;
            std::memcpy(&cid, argument, sizeof cid);
            if (cid < 3 || cid >= UINT32_MAX) {
                return EINVAL;
            }
            cid_ = cid;
            return cid == taken_cid ? EADDRINUSE : 0;
        }
        case VHOST_SET_MEM_TABLE: {
            const auto* table = static_cast<vhost_memory*>(argument);
            memory_.assign(table->regions, table->regions + table->nregions);
            return 0;
        }
        default:
            return set_ring(request, argument);
        }
    }

    int set_ring(unsigned long request, void* argument) {
        auto& ring = rings_.at(*static_cast<unsigned*>(argument)); // each of them begins so
        switch (request) {
        case VHOST_SET_VRING_NUM:
            ring.size = static_cast<vhost_vring_state*>(argument)->num;
            return is_running_ ? EBUSY : 0;
        case VHOST_SET_VRING_BASE:
            ring.next_avail = static_cast<std::uint16_t>(static_cast<vhost_vring_state*>(argument)->num);
            return is_running_ ? EBUSY : 0;
        case VHOST_GET_VRING_BASE:
            static_cast<vhost_vring_state*>(argument)->num = ring.next_avail;
            return 0;
        case VHOST_SET_VRING_ADDR:
            ring.addresses = *static_cast<vhost_vring_addr*>(argument);
            return 0;
        case VHOST_SET_VRING_KICK:
            return take_event(ring.kick, argument);
        case VHOST_SET_VRING_CALL:
            return take_event(ring.call, argument);
        case VHOST_SET_VRING_ERR:
            return take_event(ring.error, argument);
        default:
            return ENOTTY;
        }
    }

    static int take_event(UniqueFd& event, void* argument) {
        event.reset(::fcntl(static_cast<vhost_vring_file*>(argument)->fd, F_DUPFD_CLOEXEC, 0));
        return event ? 0 : EBADF;
    }

    int run(bool wanted) {
        if (!wanted) {
            stop();
            return 0;
        }
        const std::scoped_lock life(life_);
        const std::scoped_lock guard(lock_);
        for (auto& ring : rings_) {
            if (ring.size == 0 || ring.addresses.desc_user_addr == 0) {
                return EFAULT;
            }
            ring.next_used = ring.used().load_relaxed<std::uint16_t>(2);
            ring.is_broken = false;
            // A kick that came before finds nobody.
            clear(ring.kick);
        }
        is_running_ = true;
        worker_ = std::jthread([this](const std::stop_token& stopped) { work(stopped); });
        return 0;
    }

    void stop() {
        const std::scoped_lock life(life_);
        worker_.request_stop();
        ::eventfd_write(wake_.get(), 1);
        if (worker_.joinable()) {
            worker_.join();
        }
        is_running_ = false;
    }

    void work(const std::stop_token& stopped) {
        // As in the kernel: what was sent is looked at after a kick alone.
        bool was_kicked = false;
        while (!stopped.stop_requested()) {
            {
                const std::scoped_lock guard(lock_);
                if (was_kicked) {
                    give_back_sent();
                }
                deliver_arrived();
            }
            std::array<pollfd, 3> events{{{.fd = wake_.get(), .events = POLLIN, .revents = 0},
                                          {.fd = rings_[0].kick.get(), .events = POLLIN, .revents = 0},
                                          {.fd = rings_[1].kick.get(), .events = POLLIN, .revents = 0}}};
            ::poll(events.data(), events.size(), -1);
            was_kicked = clear(rings_[1].kick);
            clear(rings_[0].kick);
            clear(wake_);
        }
    }

    static bool clear(const UniqueFd& event) {
        eventfd_t count = 0;
        return ::eventfd_read(event.get(), &count) == 0;
    }

    void give_back_sent() {
        auto& ring = rings_[1];
        bool has_any = false;
        while (const auto head = next(ring)) {
            use(ring, *head, 0);
            has_any = true;
        }
        if (has_any) {
            ::eventfd_write(ring.call.get(), 1);
        }
    }

    void deliver_arrived() {
        auto& ring = rings_[0];
        while (!arrived_.empty()) {
            const auto head = next(ring);
            if (!head) {
                return;
            }
            Descriptor descriptor;
            ring.descriptors().read(16UL * *head, std::as_writable_bytes(std::span(&descriptor, 1)));
            if ((descriptor.flags & desc_indirect) != 0) {
                translate(descriptor.address, sizeof descriptor)
                    .read(0, std::as_writable_bytes(std::span(&descriptor, 1)));
            }
            const auto room = translate(descriptor.address, descriptor.length);
            if (room.size() < arrived_.front().size()) {
                break_ring(ring);
                return;
            }
            room.write(0, arrived_.front());
            use(ring, *head, static_cast<std::uint32_t>(arrived_.front().size()));
            arrived_.pop_front();
            ::eventfd_write(ring.call.get(), 1);
        }
    }

    /// The next head; nothing when there is none, or none that can be worked with.
    std::optional<std::uint16_t> next(Ring& ring) const {
        if (ring.is_broken) {
            return std::nullopt;
        }
        if ((negotiated_ & event_idx) != 0) {
            ring.used().store_relaxed<std::uint16_t>(4 + 8UL * ring.size, ring.next_avail);
            std::atomic_thread_fence(std::memory_order_seq_cst);
        }
        const auto ahead =
            static_cast<std::uint16_t>(ring.avail().load_acquire<std::uint16_t>(2) - ring.next_avail);
        if (ahead == 0) {
            return std::nullopt;
        }
        const auto head = ring.avail().load_relaxed<std::uint16_t>(4 + 2UL * (ring.next_avail % ring.size));
        if (ahead > ring.size || head >= ring.size) {
            break_ring(ring);
            return std::nullopt;
        }
        ++ring.next_avail;
        return head;
    }

    static void break_ring(Ring& ring) {
        ring.is_broken = true;
        ::eventfd_write(ring.error.get(), 1);
    }

    static void use(Ring& ring, std::uint16_t head, std::uint32_t length) {
        const auto entry = 4 + 8UL * (ring.next_used % ring.size);
        ring.used().store_relaxed<std::uint32_t>(entry, head);
        ring.used().store_relaxed<std::uint32_t>(entry + 4, length);
        ring.used().store_release<std::uint16_t>(2, ++ring.next_used);
    }

    [[nodiscard]] guest::GuestSpan translate(std::uint64_t address, std::uint64_t length) const {
        for (const auto& region : memory_) {
            const auto offset = address - region.guest_phys_addr;
            if (address >= region.guest_phys_addr && offset < region.memory_size) {
                return Ring::span(region.userspace_addr + offset,
                                  std::min<std::uint64_t>(length, region.memory_size - offset));
            }
        }
        return {};
    }

    std::mutex life_; ///< whether there is a worker; before the other one
    mutable std::mutex lock_;
    std::array<Ring, 2> rings_;
    std::vector<vhost_memory_region> memory_;
    std::deque<std::vector<std::byte>> arrived_;
    bool has_owner_ = false;
    std::atomic<bool> is_open_{false};
    std::atomic<bool> is_running_{false};
    std::atomic<std::uint64_t> cid_{0};
    std::atomic<std::uint64_t> negotiated_{0};
    UniqueFd wake_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    std::jthread worker_;
};

} // namespace hvisor::kit
