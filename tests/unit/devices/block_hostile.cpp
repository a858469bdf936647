// SPDX-License-Identifier: Apache-2.0
#include "block_rig.hpp"
#include "kit/sanitizer.hpp"

#include <catch2/generators/catch_generators.hpp>

namespace block_hostile_test {

using namespace hvisor;
using namespace hvisor::devices::block;
using Catch::Generators::as;
using kit::ChainBuilder;

TEST_CASE("D8: nothing beyond the capacity is read or written") {
    const Image image;
    BlockRig rig(image);
    const auto sector = GENERATE(as<std::uint64_t>{}, image_sectors - 1, image_sectors, image_sectors + 1,
                                 UINT64_MAX / 512, UINT64_MAX / 512 + 1, UINT64_MAX);
    auto read = rig.request(RequestType::in, sector).writable(1024).writable(1);
    CHECK(rig.send(read) == 1025);
    CHECK(BlockRig::status(read, 1) == RequestStatus::io_error);
    // What could not be read is zeroes, so the used length is true.
    CHECK(read.written(0) == filled(1024, 0));

    auto write = rig.request(RequestType::out, sector).readable(filled(1024, 0xaa)).writable(1);
    CHECK(rig.send(write) == 1);
    CHECK(BlockRig::status(write, 0) == RequestStatus::io_error);
    CHECK(image.sector(image_sectors - 1) == filled(512, image_sectors - 1));
    CHECK(::lseek(image.file.get(), 0, SEEK_END) == static_cast<off_t>(image_sectors * sector_size));
}

TEST_CASE("transfers are whole sectors") {
    const Image image;
    BlockRig rig(image);
    const auto length = GENERATE(as<std::uint32_t>{}, 1, 511, 513);
    auto read = rig.request(RequestType::in, 0).writable(length).writable(1);
    CHECK(rig.send(read) == length + 1);
    CHECK(BlockRig::status(read, 1) == RequestStatus::io_error);
    auto write = rig.request(RequestType::out, 0).readable(filled(length, 0xaa)).writable(1);
    rig.send(write);
    CHECK(BlockRig::status(write, 0) == RequestStatus::io_error);
    CHECK(image.sector(0) == filled(512, 0));
}

TEST_CASE("a transfer of nothing succeeds") {
    const Image image;
    BlockRig rig(image);
    auto read = rig.request(RequestType::in, 1).writable(1);
    CHECK(rig.send(read) == 1);
    CHECK(BlockRig::status(read, 0) == RequestStatus::ok);
}

TEST_CASE("D8: a read-only disk cannot be written") {
    const Image image;
    BlockRig rig(image, true);
    auto chain = rig.request(RequestType::out, 1).readable(filled(512, 0xaa)).writable(1);
    rig.send(chain);
    CHECK(BlockRig::status(chain, 0) == RequestStatus::io_error);
    CHECK(image.sector(1) == filled(512, 1));
}

TEST_CASE("D8: an image that became shorter gives errors, not zeroes") {
    const Image image;
    BlockRig rig(image);
    REQUIRE(::ftruncate(image.file.get(), 10 * 512 + 100) == 0);
    auto gone = rig.request(RequestType::in, 10).writable(512).writable(1);
    rig.send(gone);
    CHECK(BlockRig::status(gone, 1) == RequestStatus::io_error);
    auto there = rig.request(RequestType::in, 9).writable(512).writable(1);
    rig.send(there);
    CHECK(BlockRig::status(there, 1) == RequestStatus::ok);
}

TEST_CASE("request types that do not exist are unsupported") {
    const Image image;
    BlockRig rig(image);
    const auto type = GENERATE(as<std::uint32_t>{}, 2, 3, 5, 7, 9, 11, 13, 0x80000000, 0xffffffff);
    auto chain = rig.request(static_cast<RequestType>(type), 0).writable(512).writable(1);
    CHECK(rig.send(chain) == 513);
    CHECK(BlockRig::status(chain, 1) == RequestStatus::unsupported);
}

TEST_CASE("a header that is too short is an error") {
    const Image image;
    BlockRig rig(image);
    auto chain = ChainBuilder(rig.queue).readable("fifteen bytes..").writable(512).writable(1);
    rig.send(chain);
    CHECK(BlockRig::status(chain, 1) == RequestStatus::io_error);
    auto none = ChainBuilder(rig.queue).writable(1);
    CHECK(rig.send(none) == 1);
    CHECK(BlockRig::status(none, 0) == RequestStatus::io_error);
}

TEST_CASE("a buffer too small for the serial is an error") {
    const Image image;
    BlockRig rig(image);
    auto chain = rig.request(RequestType::get_id, 0).writable(19).writable(1);
    CHECK(rig.send(chain) == 20);
    CHECK(BlockRig::status(chain, 1) == RequestStatus::io_error);
}

TEST_CASE("a request that cannot be answered needs a reset, and the disk works after it") {
    const Image image;
    BlockRig rig(image);
    rig.request(RequestType::flush, 0).add();
    rig.driver.kick(0);
    REQUIRE(kit::eventually([&] { return rig.needs_reset(); }));
    rig.queue.reset();
    rig.bring_up(rig.queue);
    auto chain = rig.request(RequestType::in, 3).writable(512).writable(1);
    CHECK(rig.send(chain) == 513);
    CHECK(chain.written(0) == filled(512, 3));
}

TEST_CASE("a guest that changes a request while it runs gets one of the two") {
    if (kit::has_thread_sanitizer) {
        SKIP("a race by intent");
    }
    const Image image;
    BlockRig rig(image);
    // The type flips between IN and garbage; whatever is seen, it is seen once.
    const RequestHeader header{.type = 0, .reserved = 0, .sector = 1};
    const auto at = rig.ram.store_bytes(std::as_bytes(std::span(&header, 1)));
    const std::jthread flipper([&](const std::stop_token& stop) {
        for (std::uint32_t i = 0; !stop.stop_requested(); ++i) {
            rig.ram.store<std::uint32_t>(at, i % 2 == 0 ? 0 : 99);
        }
    });
    for (int i = 0; i < 500; ++i) {
        auto chain = ChainBuilder(rig.queue).at(at, 16, 0).writable(512).writable(1);
        CHECK(rig.send(chain) == 513);
        const auto status = BlockRig::status(chain, 1);
        if (status == RequestStatus::ok) {
            CHECK(chain.written(0) == filled(512, 1));
        } else {
            CHECK(status == RequestStatus::unsupported);
            CHECK(chain.written(0) == filled(512, 0));
        }
    }
}

} // namespace block_hostile_test
