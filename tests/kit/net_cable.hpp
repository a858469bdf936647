// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/unique_fd.hpp"
#include "devices/net/backend.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace hvisor::devices::net {

inline constexpr Offloads all_offloads{
    .csum = true, .tso4 = true, .tso6 = true, .ecn = true, .ufo = true, .uso4 = true, .uso6 = true};

/// A frame as the host's end sees it.
struct HostFrame {
    Header header{};
    std::vector<std::byte> bytes;
};

/// A cable that ends in sockets, on which whatever comes out of the device can
/// be looked at, and anything be put in, however wrong.
class FakeBackend final : public Backend {
  public:
    explicit FakeBackend(std::uint16_t pairs = 1, std::uint16_t mtu = 1500, Offloads can = all_offloads)
        : mtu_(mtu), can_(can) {
        for (std::uint16_t i = 0; i < pairs; ++i) {
            int ends[2] = {-1, -1};
            if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) {
                throw std::runtime_error("no pair of sockets");
            }
            device_.emplace_back(ends[0]);
            host_.emplace_back(ends[1]);
        }
    }

    [[nodiscard]] const std::string& name() const override { return name_; }
    [[nodiscard]] std::uint16_t pairs() const override { return static_cast<std::uint16_t>(device_.size()); }
    [[nodiscard]] std::uint16_t mtu() const override { return mtu_; }
    [[nodiscard]] Offloads capabilities() const override { return can_; }
    [[nodiscard]] int fd(std::size_t pair) const override { return device_.at(pair).get(); }
    [[nodiscard]] Result<void> configure(const Offloads& guest, std::uint16_t pairs) override {
        const std::scoped_lock guard(lock_);
        configured_.emplace_back(guest, pairs);
        if (refuses) {
            return fail(ErrorCode::failed, "refused by the test");
        }
        return {};
    }
    [[nodiscard]] bool is_link_up() const override { return is_up_; }
    [[nodiscard]] int link_fd() const override { return event_.get(); }
    void update_link() override {
        eventfd_t value = 0;
        ::eventfd_read(event_.get(), &value);
        is_up_ = wanted_up_;
    }

    // The host's side, for tests.
    void set_link(bool up) {
        wanted_up_ = up;
        ::eventfd_write(event_.get(), 1);
    }
    [[nodiscard]] bool put(std::span<const std::byte> frame, Header header = {}, std::size_t pair = 0) {
        const iovec pieces[] = {{.iov_base = &header, .iov_len = sizeof header},
                                {.iov_base = const_cast<std::byte*>(frame.data()), .iov_len = frame.size()}};
        return ::writev(host_.at(pair).get(), pieces, 2) > 0;
    }
    [[nodiscard]] std::optional<HostFrame> take(std::size_t pair = 0) {
        HostFrame frame;
        frame.bytes.resize(70000);
        const iovec pieces[] = {{.iov_base = &frame.header, .iov_len = sizeof frame.header},
                                {.iov_base = frame.bytes.data(), .iov_len = frame.bytes.size()}};
        const auto count = ::readv(host_.at(pair).get(), pieces, 2);
        if (count < static_cast<ssize_t>(sizeof frame.header)) {
            return std::nullopt;
        }
        frame.bytes.resize(static_cast<std::size_t>(count) - sizeof frame.header);
        return frame;
    }
    void hang_up() { host_.clear(); }
    [[nodiscard]] std::vector<std::pair<Offloads, std::uint16_t>> configured() const {
        const std::scoped_lock guard(lock_);
        return configured_;
    }
    std::atomic<bool> refuses{false};

  private:
    const std::string name_ = "tap0";
    std::uint16_t mtu_;
    Offloads can_;
    std::vector<UniqueFd> device_;
    std::vector<UniqueFd> host_;
    UniqueFd event_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    bool is_up_ = true;
    std::atomic<bool> wanted_up_{true};
    mutable std::mutex lock_;
    std::vector<std::pair<Offloads, std::uint16_t>> configured_;
};

} // namespace hvisor::devices::net
