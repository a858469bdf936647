// SPDX-License-Identifier: Apache-2.0
#include "guest/guest_memory.hpp"

#include "kit/ram.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

using namespace hvisor;
using guest::GuestMemory;
using guest::GuestSpan;
using guest::Region;

namespace {

std::vector<Region> regions(const std::vector<const kit::Ram*>& all) {
    std::vector<Region> result;
    result.reserve(all.size());
    for (const auto* ram : all) {
        result.push_back(ram->region());
    }
    return result;
}

struct Place {
    std::uint64_t address;
    std::byte* host;
    std::uint64_t size;
};

bool is_refused(const std::vector<Place>& all) {
    std::vector<Region> result;
    result.reserve(all.size());
    for (const auto& [address, host, size] : all) {
        result.emplace_back(address, host, size);
    }
    return !GuestMemory::create(std::move(result));
}

} // namespace

TEST_CASE("a range is translated when all of it is in one region") {
    const kit::Ram low(0x1000, 0x1000);
    const kit::Ram high(0x8000, 0x1000);
    const auto memory = GuestMemory::create(regions({&high, &low}));
    REQUIRE(memory);

    CHECK(memory->translate(0x1000, 0x1000)->size() == 0x1000);
    CHECK(memory->translate(0x1fff, 1));
    CHECK(memory->translate(0x8000, 0x10)->to_iovec().iov_base == high.at(0x8000));

    CHECK_FALSE(memory->translate(0xfff, 1));
    CHECK_FALSE(memory->translate(0x2000, 1));
    CHECK_FALSE(memory->translate(0x1fff, 2));
    CHECK_FALSE(memory->translate(0x1000, 0));
    CHECK_FALSE(memory->translate(0x1800, UINT64_MAX));
    CHECK_FALSE(memory->translate(UINT64_MAX, 1));
}

TEST_CASE("D4: a buffer that runs past the end of memory is refused") {
    const kit::Ram ram(0x1000, 0x1000);
    const auto memory = GuestMemory::create(regions({&ram}));
    std::vector<GuestSpan> pieces;
    CHECK_FALSE(memory->translate(0x1800, 0x801, pieces));
    CHECK(pieces.empty());
    CHECK(memory->translate(0x1800, 0x800, pieces));
}

TEST_CASE("a buffer across adjacent regions becomes two pieces") {
    const kit::Ram first(0x1000, 0x1000);
    const kit::Ram second(0x2000, 0x1000);
    const auto memory = GuestMemory::create(regions({&first, &second}));
    CHECK_FALSE(memory->translate(0x1f00, 0x200));

    std::vector<GuestSpan> pieces;
    REQUIRE(memory->translate(0x1f00, 0x200, pieces));
    REQUIRE(pieces.size() == 2);
    CHECK(pieces[0].to_iovec().iov_base == first.at(0x1f00));
    CHECK(pieces[0].size() == 0x100);
    CHECK(pieces[1].to_iovec().iov_base == second.at(0x2000));

    // What was there before a failure stays.
    CHECK_FALSE(memory->translate(0x2f00, 0x200, pieces));
    CHECK(pieces.size() == 2);
}

TEST_CASE("memory ends at the top of the address space") {
    const kit::Ram ram(0, 0x1000);
    const auto top = UINT64_MAX - 0xfff;
    const std::vector<Place> wraps{{top, ram.at(0), 0x2000}};
    CHECK(is_refused(wraps));
}

TEST_CASE("regions that overlap, are empty or misaligned are refused") {
    const kit::Ram ram(0x1000, 0x3000);
    const std::vector<Place> overlap{{0x1000, ram.at(0x1000), 0x1000}, {0x1800, ram.at(0x2000), 0x1000}};
    CHECK(is_refused(overlap));

    const std::vector<Place> empty{{0x1000, ram.at(0x1000), 0}};
    CHECK(is_refused(empty));

    const std::vector<Place> crooked{{0x1008, ram.at(0x1000), 0x1000}};
    CHECK(is_refused(crooked));
}

TEST_CASE("a span copies and cuts off") {
    const kit::Ram ram(0, 64);
    const GuestSpan span(ram.at(0), 64);
    const auto text = kit::to_bytes("hello");
    span.write(60, text);
    std::vector<std::byte> back(8);
    span.read(60, back);
    CHECK(kit::to_text(std::span(back).first(4)) == "hell");
    span.read(64, back);
    CHECK(kit::to_text(std::span(back).first(4)) == "hell");
    CHECK(span.part(70).empty());

    span.store_release<std::uint32_t>(8, 0x12345678);
    CHECK(span.load_acquire<std::uint32_t>(8) == 0x12345678);
    CHECK(span.load_relaxed<std::uint16_t>(8) == 0x5678);
    // Beyond the end: nothing.
    span.store_relaxed<std::uint64_t>(60, 1);
    CHECK(span.load_relaxed<std::uint64_t>(60) == 0);
}
