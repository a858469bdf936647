// SPDX-License-Identifier: Apache-2.0
#include "block_rig.hpp"
#include "devices/block/engine_uring.hpp"
#include "devices/block/engine_worker.hpp"

#include <catch2/generators/catch_generators.hpp>
#include <chrono>
#include <thread>

namespace block_disk_test {

using namespace hvisor;
using namespace hvisor::devices::block;
using kit::ChainBuilder;

namespace {

constexpr std::size_t mib = std::size_t{1} << 20;

/// A transfer as Linux builds a long one: an indirect table of pages.
ChainBuilder long_request(BlockRig& rig, RequestType type, std::uint64_t sector, std::size_t pages) {
    auto chain = rig.request(type, sector);
    for (std::size_t i = 0; i < pages; ++i) {
        if (type == RequestType::in) {
            chain.writable(4096);
        } else {
            chain.readable(filled(4096, static_cast<unsigned>(i)));
        }
    }
    return chain.writable(1).indirect();
}

} // namespace

TEST_CASE("what is not in the page cache is read from the disk") {
    const DiskFile disk(mib);
    BlockRig rig(disk.backend());
    disk.drop_cache();
    for (unsigned i = 0; i < 50; ++i) {
        const std::uint64_t sector = i * 37;
        auto chain = rig.request(RequestType::in, sector).writable(2048).writable(1);
        CHECK(rig.send(chain) == 2049);
        CHECK(BlockRig::status(chain, 1) == RequestStatus::ok);
        CHECK(chain.written(0) == disk.bytes(sector * sector_size, 2048));
    }
}

TEST_CASE("many requests in flight, from the disk") {
    const DiskFile disk(mib);
    BlockRig rig(disk.backend());
    disk.drop_cache();
    std::vector<ChainBuilder> chains;
    for (unsigned i = 0; i < 20; ++i) {
        auto& chain = chains.emplace_back(
            rig.request(i % 2 == 0 ? RequestType::in : RequestType::out, i * std::uint64_t{100}));
        if (i % 2 == 0) {
            chain.writable(4096).writable(1);
        } else {
            chain.readable(filled(4096, i)).writable(1);
        }
        chain.add();
    }
    rig.driver.kick(0);
    REQUIRE(kit::eventually([&] { return rig.queue.used_index() == 20; }));
    for (unsigned i = 0; i < 20; ++i) {
        const auto bytes = disk.bytes(i * 100 * sector_size, 4096);
        CHECK(bytes == (i % 2 == 0 ? chains[i].written(0) : filled(4096, i)));
    }
}

TEST_CASE("requests longer than one operation") {
    const bool direct = GENERATE(false, true);
    const DiskFile disk(8 * mib);
    auto backend = disk.open({.direct = direct});
    if (!backend) {
        SKIP(backend.error().message);
    }
    BlockRig rig(std::move(*backend), kit::split_features);
    disk.drop_cache();
    auto read = long_request(rig, RequestType::in, 8, 800);
    CHECK(rig.send(read) == 800 * 4096 + 1);
    CHECK(BlockRig::status(read, 800) == RequestStatus::ok);
    bool equal = true;
    for (std::size_t i = 0; i < 800; ++i) {
        equal = equal && read.written(i) == disk.bytes((i + 1) * 4096, 4096);
    }
    CHECK(equal);

    auto write = long_request(rig, RequestType::out, 16, 800);
    rig.send(write);
    CHECK(BlockRig::status(write, 0) == RequestStatus::ok);
    equal = true;
    for (std::size_t i = 0; i < 800; ++i) {
        equal = equal && disk.bytes((i + 2) * 4096, 4096) == filled(4096, static_cast<unsigned>(i));
    }
    CHECK(equal);
}

TEST_CASE("direct I/O reads, writes and flushes through memory of its own") {
    const DiskFile disk(mib);
    auto backend = disk.open({.direct = true});
    if (!backend) {
        SKIP(backend.error().message);
    }
    BlockRig rig(std::move(*backend));
    const auto block = rig.driver.config<std::uint32_t>(offsetof(Config, blk_size));
    const std::uint64_t sector = 4 * block / sector_size;
    auto write = rig.request(RequestType::out, sector).readable(filled(block, 0x5a)).writable(1);
    rig.send(write);
    CHECK(BlockRig::status(write, 0) == RequestStatus::ok);
    auto flush = rig.request(RequestType::flush, 0).writable(1);
    rig.send(flush);
    CHECK(BlockRig::status(flush, 0) == RequestStatus::ok);
    auto read = rig.request(RequestType::in, sector).writable(block).writable(1);
    rig.send(read);
    CHECK(BlockRig::status(read, 1) == RequestStatus::ok);
    CHECK(read.written(0) == filled(block, 0x5a));
    CHECK(disk.bytes(sector * sector_size, block) == filled(block, 0x5a));
}

TEST_CASE("both engines carry out operations in any number") {
    const bool with_uring = GENERATE(false, true);
    const DiskFile disk(mib);
    disk.drop_cache();
    const auto backend = disk.backend();
    const auto owner = *Reactor::start({.name = "owner", .cpus = {}, .on_crash = {}});
    std::vector<Operation> operations(300);
    std::vector<std::vector<std::byte>> buffers(operations.size(), filled(4096, 0));
    std::atomic<std::size_t> done{0};
    std::unique_ptr<Engine> engine;
    owner->call([&] {
        const Engine::Callbacks callbacks{.ready = [&] { engine->reap(); },
                                          .done = [&](Operation&) { ++done; }};
        if (with_uring) {
            engine = UringEngine::create(*owner, backend.fd(), 64, callbacks);
        } else {
            engine = std::make_unique<WorkerEngine>(*owner, backend, "worker", callbacks);
        }
    });
    if (!engine) {
        SKIP("this kernel has no io_uring");
    }
    owner->call([&] {
        for (std::size_t i = 0; i < operations.size(); ++i) {
            auto& operation = operations[i];
            operation.kind = i % 50 == 0 ? Operation::Kind::flush : Operation::Kind::read;
            operation.offset = i % 256 * 4096;
            operation.length = 4096;
            operation.pieces = {{.iov_base = buffers[i].data(), .iov_len = 4096}};
            engine->submit(operation);
        }
        engine->flush();
    });
    CHECK(kit::eventually([&] { return done == operations.size(); }));
    for (std::size_t i = 0; i < operations.size(); ++i) {
        if (operations[i].kind == Operation::Kind::read) {
            REQUIRE(operations[i].result == 4096);
            REQUIRE(buffers[i] == disk.bytes(i % 256 * 4096, 4096));
        } else {
            REQUIRE(operations[i].result == 0);
        }
    }
    owner->call([&] { engine.reset(); });
}

TEST_CASE("two zones cannot write to one image") {
    const DiskFile disk(mib);
    {
        BlockRig rig(disk.backend());
        const auto second = disk.open();
        REQUIRE_FALSE(second);
        CHECK(second.error().code == ErrorCode::resource_busy);
        CHECK(second.error().message.contains(disk.path));
        CHECK_FALSE(disk.open({.read_only = true}));
        // A zone that is stopped keeps nobody from its disk.
        rig.device.quiesce();
        CHECK(disk.open());
    }
    const auto first = disk.open({.read_only = true});
    CHECK(disk.open({.read_only = true}));
    CHECK_FALSE(disk.open());
}

} // namespace block_disk_test
