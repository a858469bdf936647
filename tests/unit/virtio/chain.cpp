// SPDX-License-Identifier: Apache-2.0
#include "virtio/chain.hpp"
#include "kit/ram.hpp"

#include <catch2/catch_test_macros.hpp>

using namespace hvisor;
using namespace hvisor::virtio;

namespace {

struct Pieces {
    kit::Ram ram{0, 4096};
    std::vector<guest::GuestSpan> spans{{ram.at(0), 3}, {ram.at(100), 5}, {ram.at(200), 8}};
};

} // namespace

TEST_CASE("a reader takes bytes across pieces, each once") {
    Pieces pieces;
    pieces.ram.write(0, kit::to_bytes("abc"));
    pieces.ram.write(100, kit::to_bytes("defgh"));
    pieces.ram.write(200, kit::to_bytes("ijklmnop"));
    Reader reader(pieces.spans);
    CHECK(reader.remaining() == 16);
    const auto first = reader.read<std::array<char, 4>>();
    REQUIRE(first);
    CHECK(std::string_view(first->data(), 4) == "abcd");
    reader.skip(5);
    CHECK(reader.remaining() == 7);
    CHECK_FALSE(reader.read<std::uint64_t>());
    std::vector<std::byte> rest(20);
    CHECK(reader.read(rest) == 7);
    CHECK(kit::to_text(std::span(rest).first(7)) == "jklmnop");
    CHECK(reader.remaining() == 0);
}

TEST_CASE("a writer puts bytes across pieces and stops at the end") {
    const Pieces pieces;
    Writer writer(pieces.spans);
    CHECK(writer.write(kit::to_bytes("0123456789")) == 10);
    CHECK(writer.remaining() == 6);
    CHECK(writer.fill_zero(100) == 6);
    CHECK(kit::to_text(pieces.ram.read(100, 5)) == "34567");
    CHECK(pieces.ram.read(202, 6) == std::vector<std::byte>(6));
    CHECK(writer.write(kit::to_bytes("x")) == 0);
}

TEST_CASE("pieces for a system call start where the cursor is, and end where they are told") {
    const Pieces pieces;
    Reader reader(pieces.spans);
    reader.skip(4);
    std::vector<iovec> out;
    reader.peek(6, out);
    REQUIRE(out.size() == 2);
    CHECK(out[0].iov_base == pieces.ram.at(101));
    CHECK(out[0].iov_len == 4);
    CHECK(out[1].iov_base == pieces.ram.at(200));
    CHECK(out[1].iov_len == 2);
    CHECK(reader.remaining() == 12);
}
