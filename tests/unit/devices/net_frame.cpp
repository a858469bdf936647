// SPDX-License-Identifier: Apache-2.0
#include "devices/net/filter.hpp"
#include "devices/net/frame_check.hpp"
#include "net_frames.hpp"

#include <catch2/catch_test_macros.hpp>

namespace net_frame_test {

using namespace hvisor;
using namespace hvisor::devices::net;

namespace {

constexpr Offloads everything{
    .csum = true, .tso4 = true, .tso6 = true, .ecn = true, .ufo = true, .uso4 = true, .uso6 = true};

/// A TCP segment of 10,000 bytes as Linux hands it over.
constexpr Header segment{.flags = header_needs_csum,
                         .gso_type = gso_tcpv4,
                         .hdr_len = 54,
                         .gso_size = 1448,
                         .csum_start = 34,
                         .csum_offset = 16,
                         .num_buffers = 0};
constexpr std::size_t segment_length = 10000;

std::optional<Drop> check(Header header, std::size_t length = segment_length,
                          const Offloads& negotiated = everything) {
    return check_header(header, length, negotiated);
}

/// The same with one field changed.
template <class Field>
Header with(Field Header::* field, unsigned value) {
    auto header = segment;
    header.*field = static_cast<Field>(value);
    return header;
}

Header plain(unsigned type = gso_none) {
    Header header{};
    header.gso_type = static_cast<std::uint8_t>(type);
    return header;
}

} // namespace

TEST_CASE("a frame has at least an Ethernet header and at most a segment") {
    CHECK(check(plain(), 0) == Drop::too_short);
    CHECK(check(plain(), 13) == Drop::too_short);
    CHECK_FALSE(check(plain(), 14));
    CHECK_FALSE(check(plain(), max_segment));
    CHECK(check(plain(), max_segment + 1) == Drop::too_long);
    CHECK(check(plain(), UINT32_MAX) == Drop::too_long);
}

TEST_CASE("a plain frame needs no feature") {
    CHECK_FALSE(check(plain(), 60, Offloads{}));
}

TEST_CASE("flags that are not known are ignored, and the kernel never sees them") {
    auto header = plain();
    header.flags = 0xfe;
    header.csum_start = 0xffff;
    header.csum_offset = 0xffff;
    header.hdr_len = 0xffff;
    header.gso_size = 0xffff;
    header.num_buffers = 0xffff;
    CHECK_FALSE(check_header(header, 60, Offloads{}));
    CHECK(header.flags == 0);
    CHECK(header.csum_start == 0);
    CHECK(header.csum_offset == 0);
    CHECK(header.hdr_len == 0);
    CHECK(header.gso_size == 0);
    CHECK(header.num_buffers == 0);
}

TEST_CASE("a checksum has to be negotiated, and its field to lie in the frame") {
    auto header = plain();
    header.flags = header_needs_csum;
    header.csum_start = 34;
    header.csum_offset = 16;
    CHECK_FALSE(check(header, 52));
    CHECK(check(header, 51) == Drop::checksum);
    CHECK(check(header, 52, Offloads{}) == Drop::checksum);
    header.csum_start = 13;
    CHECK(check(header, 60) == Drop::checksum);
    header.csum_start = 0xffff;
    CHECK(check(header, 60) == Drop::checksum);
    header.csum_start = 14;
    header.csum_offset = 0xffff;
    CHECK(check(header, 60) == Drop::checksum);
    // The two together do not wrap around.
    header.csum_start = 0xfff0;
    header.csum_offset = 0x10;
    CHECK(check(header, 60) == Drop::checksum);
}

TEST_CASE("each kind of segment has to be negotiated") {
    struct Kind {
        unsigned type;
        Offloads needed;
    };
    const auto only = [](bool Offloads::* which) {
        Offloads offloads;
        offloads.csum = true;
        offloads.*which = true;
        return offloads;
    };
    const Kind kinds[] = {{gso_tcpv4, only(&Offloads::tso4)},
                          {gso_tcpv6, only(&Offloads::tso6)},
                          {gso_udp, only(&Offloads::ufo)},
                          {gso_udp_l4, only(&Offloads::uso4)}};
    for (const auto& kind : kinds) {
        const auto header = with(&Header::gso_type, kind.type);
        CHECK_FALSE(check(header));
        CHECK(check(header, segment_length, Offloads{}) == Drop::checksum);
        for (const auto& other : kinds) {
            INFO("segment " << kind.type << ", negotiated " << other.type);
            CHECK(check(header, segment_length, other.needed).has_value() == (kind.type != other.type));
        }
    }
}

TEST_CASE("kinds of segments that nobody knows are dropped") {
    for (unsigned type = 0; type < 256; ++type) {
        const auto base = type & ~unsigned{gso_ecn};
        const bool has_ecn = (type & gso_ecn) != 0;
        const bool is_tcp = base == gso_tcpv4 || base == gso_tcpv6;
        const bool is_known =
            is_tcp || (!has_ecn && (base == gso_none || base == gso_udp || base == gso_udp_l4));
        INFO("type " << type);
        CHECK(check(with(&Header::gso_type, type)).has_value() == !is_known);
    }
}

TEST_CASE("segments with ECN have to be negotiated by themselves") {
    auto without = everything;
    without.ecn = false;
    const auto header = with(&Header::gso_type, gso_tcpv4 | gso_ecn);
    CHECK_FALSE(check(header));
    CHECK(check(header, segment_length, without) == Drop::segmentation);
}

TEST_CASE("a segment without a size, or without a checksum to make, is dropped") {
    CHECK(check(with(&Header::gso_size, 0)) == Drop::segmentation);
    CHECK(check(with(&Header::flags, 0)) == Drop::segmentation);
}

TEST_CASE("the length of the headers is a hint, and cannot be longer than the frame") {
    auto header = with(&Header::hdr_len, 0xffff);
    CHECK_FALSE(check_header(header, 100, everything));
    CHECK(header.hdr_len == 100);
    header = with(&Header::hdr_len, 13);
    CHECK_FALSE(check_header(header, 100, everything));
    CHECK(header.hdr_len == 0);
    header = with(&Header::hdr_len, 54);
    CHECK_FALSE(check_header(header, 100, everything));
    CHECK(header.hdr_len == 54);
}

TEST_CASE("offloads that depend on others are nothing without them") {
    const virtio::FeatureSet tso_only{f_guest_tso4, f_host_tso4};
    CHECK(guest_offloads(tso_only) == Offloads{});
    CHECK(host_offloads(tso_only) == Offloads{});
    CHECK_FALSE(guest_offloads({f_guest_csum, f_guest_ecn}).ecn);
    CHECK(guest_offloads({f_guest_csum, f_guest_ecn, f_guest_tso6}).ecn);
    CHECK(host_offloads({f_csum, f_host_uso}).uso6);
}

TEST_CASE("what is offered is what the host can do") {
    CHECK(offload_features(Offloads{}) == virtio::FeatureSet{});
    const auto all = offload_features(everything);
    CHECK(guest_offloads(all) == everything);
    CHECK(host_offloads(all) == everything);
    auto old_kernel = everything;
    old_kernel.uso4 = old_kernel.uso6 = false;
    CHECK_FALSE(offload_features(old_kernel).has(f_host_uso));
    CHECK_FALSE(offload_features(old_kernel).has(f_guest_uso4));
}

TEST_CASE("a driver without a filter receives everything") {
    const auto filter = Filter::everything(guest_mac);
    CHECK(filter.accepts(host_mac));
    CHECK(filter.accepts(group_mac));
    CHECK(filter.accepts(broadcast_mac));
}

TEST_CASE("after a reset a filter passes the device's own address and broadcasts") {
    const auto filter = Filter::own_only(guest_mac);
    CHECK(filter.accepts(guest_mac));
    CHECK(filter.accepts(broadcast_mac));
    CHECK_FALSE(filter.accepts(host_mac));
    CHECK_FALSE(filter.accepts(group_mac));
}

TEST_CASE("a filter passes the addresses of its tables, each kind for itself") {
    auto filter = Filter::own_only(guest_mac);
    filter.unicast.add(host_mac);
    filter.multicast.add(group_mac);
    CHECK(filter.accepts(host_mac));
    CHECK(filter.accepts(group_mac));
    CHECK_FALSE(filter.accepts({0x02, 9, 9, 9, 9, 9}));
    CHECK_FALSE(filter.accepts({0x33, 0x33, 9, 9, 9, 9}));
    filter.unicast.clear();
    CHECK_FALSE(filter.accepts(host_mac));
}

TEST_CASE("each switch of a filter does what it says") {
    const Mac stranger{0x02, 9, 9, 9, 9, 9};
    const auto switched = [](bool Filter::* which) {
        auto filter = Filter::own_only(guest_mac);
        filter.multicast.add(group_mac);
        filter.*which = true;
        return filter;
    };
    CHECK(switched(&Filter::promiscuous).accepts(stranger));
    CHECK(switched(&Filter::all_multicast).accepts({0x33, 0x33, 9, 9, 9, 9}));
    CHECK_FALSE(switched(&Filter::all_multicast).accepts(stranger));
    CHECK(switched(&Filter::all_unicast).accepts(stranger));
    CHECK_FALSE(switched(&Filter::all_unicast).accepts({0x33, 0x33, 9, 9, 9, 9}));
    CHECK_FALSE(switched(&Filter::no_multicast).accepts(group_mac));
    CHECK(switched(&Filter::no_multicast).accepts(broadcast_mac));
    CHECK_FALSE(switched(&Filter::no_unicast).accepts(guest_mac));
    CHECK_FALSE(switched(&Filter::no_broadcast).accepts(broadcast_mac));
    CHECK(switched(&Filter::no_broadcast).accepts(guest_mac));
}

TEST_CASE("a table that is full passes too much rather than too little") {
    auto filter = Filter::own_only(guest_mac);
    for (std::size_t i = 0; i <= MacTable::capacity; ++i) {
        filter.unicast.add({0x02, 1, 1, 1, 1, static_cast<std::uint8_t>(i)});
    }
    CHECK(filter.accepts({0x02, 1, 1, 1, 1, MacTable::capacity}));
    CHECK(filter.accepts(host_mac));
    CHECK_FALSE(filter.accepts(group_mac));
}

} // namespace net_frame_test
