// SPDX-License-Identifier: Apache-2.0
#include "packet_source.hpp"

#include "machine.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <cstring>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <sched.h>
#include <span>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

namespace hvisor::bench {
namespace {

constexpr devices::net::Mac somebody{0x02, 0, 0, 0, 9, 9};
constexpr std::size_t header_size = sizeof(devices::net::Header);

void put_ethernet(std::span<std::byte> frame, const devices::net::Mac& destination,
                  const devices::net::Mac& source, std::uint16_t type) {
    const devices::net::EthernetHeader header{
        .destination = destination,
        .source = source,
        .type = {static_cast<std::uint8_t>(type >> 8), static_cast<std::uint8_t>(type)}};
    std::memcpy(frame.data(), &header, sizeof header);
}

} // namespace

std::optional<Network> Network::make() {
    UniqueFd before(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    if (!before || ::access("/dev/net/tun", R_OK | W_OK) != 0 || ::unshare(CLONE_NEWNET) != 0) {
        return std::nullopt;
    }
    return Network(std::move(before));
}

Network::~Network() {
    if (before_) {
        static_cast<void>(::setns(before_.get(), CLONE_NEWNET));
    }
}

Frame::Frame(const devices::net::Header& header, std::size_t size) : bytes_(header_size + size) {
    std::memcpy(bytes_.data(), &header, sizeof header);
    const auto frame = std::span(bytes_).subspan(header_size);
    put_ethernet(frame, somebody, guest_mac, ETHERTYPE_IP);
    iphdr ip{};
    ip.version = 4;
    ip.ihl = 5;
    ip.ttl = 64;
    ip.protocol = IPPROTO_TCP;
    ip.tot_len = htons(static_cast<std::uint16_t>(size - sizeof(devices::net::EthernetHeader)));
    std::memcpy(frame.data() + sizeof(devices::net::EthernetHeader), &ip, sizeof ip);
    constexpr std::size_t tcp_length_offset = 14 + 20 + 12;
    frame[tcp_length_offset] = std::byte{0x50}; // five words of TCP header
}

Frame Frame::plain(std::size_t size) {
    return {{}, size};
}

Frame Frame::segment(std::size_t size) {
    return {{.flags = devices::net::header_needs_csum,
             .gso_type = devices::net::gso_tcpv4,
             .hdr_len = 54,
             .gso_size = 1460,
             .csum_start = 34,
             .csum_offset = 16,
             .num_buffers = 0},
            size};
}

PacketSource::PacketSource(const std::string& tap)
    : socket_(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0)), frame_(frame_size) {
    constexpr std::uint16_t experimental = 0x88b5;
    ifreq request{};
    std::memcpy(request.ifr_name, tap.data(), std::min(tap.size(), sizeof request.ifr_name - 1));
    request.ifr_qlen = static_cast<int>(count + 1000);
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_ifindex = static_cast<int>(::if_nametoindex(tap.c_str()));
    const int on = 1;
    if (!socket_ || ::ioctl(socket_.get(), SIOCSIFTXQLEN, &request) != 0 ||
        ::setsockopt(socket_.get(), SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof on) != 0 ||
        ::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        bench::fail("cannot send into the tap");
    }
    put_ethernet(frame_, guest_mac, somebody, experimental);
}

void PacketSource::fill(std::uint32_t first) {
    for (std::uint32_t i = 0; i < count; ++i) {
        const auto number = first + i;
        std::memcpy(frame_.data() + number_offset, &number, sizeof number);
        if (::send(socket_.get(), frame_.data(), frame_.size(), 0) != static_cast<ssize_t>(frame_.size())) {
            bench::fail("cannot send into the tap");
        }
    }
}

} // namespace hvisor::bench
