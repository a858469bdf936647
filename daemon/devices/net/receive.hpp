// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "devices/net/config.hpp"
#include "devices/net/filter.hpp"
#include "devices/net/frame_check.hpp"
#include "devices/net/offloads.hpp"
#include "virtio/chain.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <sys/uio.h>
#include <vector>

namespace hvisor::devices::net {

/// Receives frames into the chains of one receive queue, one system call each,
/// straight into guest memory; only a frame's beginning goes through a copy
/// here, which is judged and completed before the guest sees it.
///
/// With mergeable buffers as many chains are kept ready as the largest frame
/// needs. While the driver has fewer, what does not fit waits in a buffer of
/// ours until it has more.
class Receiver {
  public:
    enum class Outcome {
        received,
        dropped,   ///< read, but not for the driver; its buffers wait for the next one
        held,      ///< read, and waits for more buffers
        empty,     ///< there is nothing to read
        cannot_go, ///< the descriptor does not work any more
    };
    struct Result {
        Outcome outcome = Outcome::empty;
        Drop drop = Drop::not_mine; ///< of a frame that was dropped
        std::size_t bytes = 0;      ///< of a frame that was received, without its header
    };

    struct Settings {
        bool mergeable = false;
        bool checksums = false;    ///< the driver takes frames without one
        std::size_t max_plain = 0; ///< of a frame with its Ethernet header
        std::size_t max_frame = 0; ///< the same, where it may be a segment
    };
    void set_up(const Settings& settings);

    /// Whether more chains would be of use.
    [[nodiscard]] bool wants_chain() const;
    /// False: one that no frame can go into.
    [[nodiscard]] bool add(virtio::Chain chain);
    [[nodiscard]] bool has_chain() const { return first_ != chains_.size(); }
    [[nodiscard]] bool is_holding() const { return held_ != 0; }

    /// The next frame, or the one that is held and fits now.
    [[nodiscard]] Result receive(int fd, const Filter& filter, const Offloads& offloads);
    /// Forget the frame that is held.
    void drop_held() { held_ = 0; }
    /// All chains wait in the queue again.
    void put_back();

    /// The smallest chain: what a driver must at least offer (virtio 1.2, 5.1.6.3.1).
    static constexpr std::size_t smallest_chain = sizeof(Header);

  private:
    struct Ready {
        virtio::Chain chain;
        std::size_t size;   ///< bytes
        std::size_t pieces; ///< of pieces_
    };

    [[nodiscard]] std::span<Ready> ready() { return std::span(chains_).subspan(first_); }
    [[nodiscard]] std::size_t build_pieces();
    [[nodiscard]] Result judge(std::size_t total, const Filter& filter, const Offloads& offloads);
    void write(std::size_t offset, std::span<const std::byte> bytes);
    [[nodiscard]] Result deliver(std::size_t total);
    void forget_first(std::size_t count);

    Settings settings_;
    std::size_t max_total_ = 0; ///< of a frame with its header
    std::vector<Ready> chains_; ///< from first_ on
    std::size_t first_ = 0;
    std::size_t room_ = 0;      ///< bytes of the chains that are ready
    std::vector<iovec> pieces_; ///< theirs, from first_piece_ on
    std::size_t first_piece_ = 0;
    std::vector<iovec> call_; ///< for the system call
    FrameStart start_{};
    std::unique_ptr<std::byte[]> spill_; ///< what does not fit
    std::size_t held_ = 0;               ///< size of the frame that waits; 0: none
    std::size_t held_in_chains_ = 0;     ///< of its bytes
};

} // namespace hvisor::devices::net
