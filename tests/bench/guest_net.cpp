// SPDX-License-Identifier: Apache-2.0
#include "guest_net.hpp"

#include "devices/net/config.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <stdexcept>
#include <vector>

namespace hvisor::bench {
namespace {

constexpr std::uint32_t receive_index = 0;
constexpr std::uint32_t transmit_index = 1;
/// Of a segment in one piece: Linux's page fragments.
constexpr std::uint32_t fragment = 32768;
/// In front of a segment's data: virtio, Ethernet, IP and TCP headers.
constexpr std::uint32_t headers = sizeof(devices::net::Header) + 54;

} // namespace

GuestNet::GuestNet(Stack& stack)
    : stack_(stack),
      receive_(stack.ram(), queue_size),
      transmit_(stack.ram(), queue_size),
      device_(stack.guest(), net_place),
      buffers_(stack.ram().allocate(std::size_t{receive_size} * queue_size, 4096)) {
    namespace net = devices::net;
    device_.bring_up({net::f_mac, net::f_csum, net::f_guest_csum, net::f_guest_tso4, net::f_guest_tso6,
                      net::f_guest_ecn, net::f_guest_ufo, net::f_guest_uso4, net::f_guest_uso6,
                      net::f_host_tso4, net::f_host_tso6, net::f_mrg_rxbuf},
                     {&receive_, &transmit_});
}

void GuestNet::kick(GuestQueue& queue, std::uint32_t index) {
    if (queue.should_kick()) {
        device_.kick(index);
    }
}

Outcome GuestNet::transmit(const Frame& frame, unsigned depth, double seconds) {
    const auto& bytes = frame.bytes();
    const auto size = static_cast<std::uint32_t>(bytes.size());
    // Each frame on its way has its own memory, as with a real sender.
    const auto stride = (std::uint64_t{size} + 4095) / 4096 * 4096;
    const auto data = stack_.ram().allocate(stride * depth, 4096);
    std::vector<std::uint16_t> idle;
    idle.reserve(depth);
    for (unsigned slot = 0; slot < depth; ++slot) {
        stack_.ram().write(data + stride * slot, bytes);
        idle.push_back(static_cast<std::uint16_t>(slot));
    }
    std::array<GuestQueue::Piece, GuestQueue::max_pieces> pieces{};
    const auto build = [&](std::uint16_t slot) {
        std::size_t count = 0;
        for (std::uint32_t at = 0; at < size; ++count) {
            const auto length = std::min(size - at, size <= fragment ? size : at == 0 ? headers : fragment);
            pieces.at(count) = {.address = data + stride * slot + at, .length = length};
            at += length;
        }
        return std::span(pieces).first(count);
    };
    Outcome outcome;
    static_cast<void>(transmit_.enable_interrupts());
    const auto begin = Times::now();
    const auto end = Clock::now() + std::chrono::duration_cast<Clock::duration>(Seconds(seconds));
    bool is_over = false;
    while (!is_over || idle.size() != depth) {
        while (!is_over && !idle.empty()) {
            transmit_.add(idle.back(), build(idle.back()));
            idle.pop_back();
        }
        kick(transmit_, transmit_index);
        device_.handle_interrupt(transmit_, [&](const GuestQueue::Used& used) {
            idle.push_back(used.slot);
            ++outcome.requests;
        });
        is_over = is_over || Clock::now() >= end;
    }
    outcome.times = Times::now() - begin;
    return outcome;
}

void GuestNet::give(std::uint16_t slot) {
    const GuestQueue::Piece piece{
        .address = buffers_ + std::uint64_t{receive_size} * slot, .length = receive_size, .writable = true};
    receive_.add(slot, std::span(&piece, 1));
}

void GuestNet::take(const GuestQueue::Used& used) {
    std::uint32_t number = 0;
    const auto* buffer = stack_.ram().at(buffers_ + std::uint64_t{receive_size} * used.slot);
    std::memcpy(&number, buffer + sizeof(devices::net::Header) + PacketSource::number_offset, sizeof number);
    if (used.length != sizeof(devices::net::Header) + PacketSource::frame_size) {
        return; // the host's own, of IPv6
    }
    lost_ += number - next_;
    next_ = number + 1;
    ++received_;
}

Outcome GuestNet::receive(PacketSource& source, double seconds) {
    Outcome outcome;
    std::vector<std::uint16_t> idle;
    idle.reserve(queue_size);
    for (std::uint16_t slot = 0; slot < queue_size; ++slot) {
        idle.push_back(slot);
    }
    while (outcome.times.wall < seconds) {
        const auto first = next_;
        source.fill(first);
        // What was received into the buffers of the round before does not count.
        do {
            while (const auto used = receive_.take()) {
                take(*used);
                idle.push_back(used->slot);
            }
        } while (!receive_.enable_interrupts());
        const auto before = received_;
        const auto begin = Times::now();
        for (const auto deadline = Clock::now() + std::chrono::seconds(10);
             next_ != first + PacketSource::count;) {
            for (const auto slot : idle) {
                give(slot);
            }
            idle.clear();
            kick(receive_, receive_index);
            device_.handle_interrupt(receive_, [&](const GuestQueue::Used& used) {
                take(used);
                idle.push_back(used.slot);
                if (idle.size() == queue_size / 4) { // as Linux refills
                    for (const auto slot : idle) {
                        give(slot);
                    }
                    idle.clear();
                    kick(receive_, receive_index);
                }
            });
            if (Clock::now() >= deadline) {
                throw std::runtime_error("frames are lost at the end");
            }
        }
        const auto times = Times::now() - begin;
        outcome.requests += received_ - before;
        outcome.times.wall += times.wall;
        outcome.times.others += times.others;
    }
    return outcome;
}

} // namespace hvisor::bench
