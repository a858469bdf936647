// SPDX-License-Identifier: Apache-2.0
#include "devices/net/receive.hpp"

#include <algorithm>
#include <cerrno>
#include <ranges>
#include <utility>

namespace hvisor::devices::net {
namespace {

/// Of one system call, less what comes before and behind the guest's pieces.
constexpr std::size_t max_pieces = UIO_MAXIOV - 2;

} // namespace

void Receiver::set_up(const Settings& settings) {
    settings_ = settings;
    max_total_ = settings.max_frame + sizeof(Header);
    held_ = 0;
    // Not cleared: in most devices no byte of it is ever touched. One byte
    // more, so that a frame that is longer still shows.
    spill_ = std::make_unique_for_overwrite<std::byte[]>(max_total_ + 1);
}

bool Receiver::wants_chain() const {
    if (!settings_.mergeable) {
        return !has_chain();
    }
    const auto needed = held_ != 0 ? held_ : max_total_;
    return room_ < needed && pieces_.size() - first_piece_ < max_pieces;
}

bool Receiver::add(virtio::Chain chain) {
    const auto writer = chain.writer();
    const auto size = writer.remaining();
    if (chain.reader().remaining() != 0 || size < smallest_chain) {
        return false;
    }
    const auto before = pieces_.size();
    writer.peek(size, pieces_);
    room_ += size;
    chains_.push_back({.chain = std::move(chain), .size = size, .pieces = pieces_.size() - before});
    return true;
}

void Receiver::put_back() {
    // Only the one that was popped last can go back: the newest first.
    while (has_chain()) {
        chains_.back().chain.put_back();
        chains_.pop_back();
    }
    chains_.clear();
    pieces_.clear();
    first_ = first_piece_ = room_ = held_ = 0;
}

/// The frame's beginning, the guest's memory behind it, and what does not fit there.
std::size_t Receiver::build_pieces() {
    call_.clear();
    call_.push_back({.iov_base = &start_, .iov_len = sizeof start_});
    auto skip = sizeof start_;
    const auto guest = std::span(pieces_).subspan(first_piece_);
    for (const auto& piece : guest.first(std::min(guest.size(), max_pieces))) {
        const auto cut = std::min(skip, piece.iov_len);
        skip -= cut;
        if (cut != piece.iov_len) {
            call_.push_back(
                {.iov_base = static_cast<std::byte*>(piece.iov_base) + cut, .iov_len = piece.iov_len - cut});
        }
    }
    auto room = std::max(room_, sizeof start_);
    if (guest.size() > max_pieces) {
        room = sizeof start_;
        for (const auto& piece : call_ | std::views::drop(1)) {
            room += piece.iov_len;
        }
    }
    if (room <= max_total_) {
        call_.push_back({.iov_base = spill_.get(), .iov_len = max_total_ + 1 - room});
    }
    return room;
}

Receiver::Result Receiver::receive(int fd, const Filter& filter, const Offloads& offloads) {
    if (held_ == 0) {
        const auto room = build_pieces();
        ssize_t count = 0;
        do {
            count = ::readv(fd, call_.data(), static_cast<int>(call_.size()));
        } while (count < 0 && errno == EINTR);
        if (count <= 0) {
            return {.outcome = count < 0 && errno == EAGAIN ? Outcome::empty : Outcome::cannot_go};
        }
        const auto total = static_cast<std::size_t>(count);
        const auto judged = judge(total, filter, offloads);
        if (judged.outcome == Outcome::dropped) {
            return judged;
        }
        if (total <= std::min(room, room_)) {
            return deliver(total);
        }
        if (!settings_.mergeable && total > room_) {
            return {.outcome = Outcome::dropped, .drop = Drop::no_room};
        }
        held_ = total;
        held_in_chains_ = room;
    }
    if (room_ < held_) {
        return {.outcome = Outcome::held};
    }
    if (held_ > held_in_chains_) {
        write(held_in_chains_, std::span(spill_.get(), held_ - held_in_chains_));
    }
    return deliver(std::exchange(held_, 0));
}

Receiver::Result Receiver::judge(std::size_t total, const Filter& filter, const Offloads& offloads) {
    const auto dropped = [](Drop drop) { return Result{.outcome = Outcome::dropped, .drop = drop}; };
    auto& header = start_.header;
    if (total < sizeof start_) {
        return dropped(Drop::too_short);
    }
    // virtio 1.2, 5.1.4.1: nothing beyond the MTU but segments.
    const auto longest = header.gso_type == gso_none ? settings_.max_plain : settings_.max_frame;
    if (total - sizeof header > longest) {
        return dropped(Drop::too_long);
    }
    if (!filter.accepts(start_.ethernet.destination)) {
        return dropped(Drop::not_mine);
    }
    if (!offloads.allow(header)) {
        return dropped(Drop::not_allowed);
    }
    // virtio 1.2, 5.1.6.4.1: no flags without GUEST_CSUM, and only those it knows.
    header.flags =
        settings_.checksums ? header.flags & (header_needs_csum | header_data_valid) : std::uint8_t{0};
    return {.outcome = Outcome::received};
}

/// `bytes` at `offset` of the frame, which may lie in several chains.
void Receiver::write(std::size_t offset, std::span<const std::byte> bytes) {
    for (auto& [chain, size, pieces] : ready()) {
        if (bytes.empty()) {
            return;
        }
        if (offset < size) {
            auto writer = chain.writer();
            writer.skip(offset);
            bytes = bytes.subspan(writer.write(bytes.first(std::min(bytes.size(), size - offset))));
            offset = 0;
        } else {
            offset -= size;
        }
    }
}

Receiver::Result Receiver::deliver(std::size_t total) {
    std::size_t count = 0;
    for (auto left = total; left != 0; ++count) {
        auto& [chain, size, pieces] = ready()[count];
        const auto here = std::min(left, size);
        chain.set_written(here);
        left -= here;
    }
    // virtio 1.2, 5.1.6.4.1: 1 without mergeable buffers.
    start_.header.num_buffers = static_cast<std::uint16_t>(count);
    write(0, std::as_bytes(std::span(&start_, 1)));
    forget_first(count);
    return {.outcome = Outcome::received, .bytes = total - sizeof(Header)};
}

void Receiver::forget_first(std::size_t count) {
    for (auto& [chain, size, pieces] : ready().first(count)) {
        chain.complete();
        room_ -= size;
        first_piece_ += pieces;
    }
    first_ += count;
    // What is used up goes when it is as much as what is left: little work a frame.
    if (first_ * 2 >= chains_.size()) {
        chains_.erase(chains_.begin(), chains_.begin() + static_cast<std::ptrdiff_t>(first_));
        pieces_.erase(pieces_.begin(), pieces_.begin() + static_cast<std::ptrdiff_t>(first_piece_));
        first_ = first_piece_ = 0;
    }
}

} // namespace hvisor::devices::net
