// SPDX-License-Identifier: Apache-2.0
#include "block_rig.hpp"

#include <catch2/generators/catch_generators.hpp>
#include <chrono>

namespace block_features_test {

using namespace hvisor;
using namespace hvisor::devices::block;
using kit::ChainBuilder;

namespace {

constexpr virtio::FeatureSet ranges{f_discard, f_write_zeroes};

/// One discard or write-zeroes request; its status.
RequestStatus send_ranges(BlockRig& rig, RequestType type, const std::vector<RangeSegment>& segments) {
    auto chain = rig.request(type, 0).readable(std::as_bytes(std::span(segments))).writable(1);
    CHECK(rig.send(chain) == 1);
    return BlockRig::status(chain, 0);
}

} // namespace

TEST_CASE("discard and write zeroes leave zeroes") {
    const auto type = GENERATE(RequestType::discard, RequestType::write_zeroes);
    const bool on_disk = GENERATE(false, true);
    const Image image(std::size_t{128} << 10);
    const DiskFile disk(std::size_t{128} << 10);
    BlockRig rig(on_disk ? disk.backend() : image.backend(), ranges);
    const int file = on_disk ? disk.file.get() : image.file.get();
    const auto sector = [&](std::size_t number) {
        std::vector<std::byte> bytes(sector_size);
        REQUIRE(::pread(file, bytes.data(), bytes.size(), static_cast<off_t>(number * sector_size)) == 512);
        return bytes;
    };
    const auto before = sector(7);
    const auto after = sector(24);
    CHECK(send_ranges(rig, type, {{.sector = 8, .num_sectors = 16, .flags = 0}}) == RequestStatus::ok);
    CHECK(sector(7) == before);
    CHECK(sector(8) == filled(512, 0));
    CHECK(sector(23) == filled(512, 0));
    CHECK(sector(24) == after);

    CHECK(send_ranges(rig, type,
                      {{.sector = 100, .num_sectors = 1, .flags = 0},
                       {.sector = 0, .num_sectors = 0, .flags = 0},
                       {.sector = 102, .num_sectors = 154, .flags = 0}}) == RequestStatus::ok);
    CHECK(sector(100) == filled(512, 0));
    CHECK(sector(101) != filled(512, 0));
    CHECK(sector(255) == filled(512, 0));
}

TEST_CASE("write zeroes may unmap where the driver says so") {
    const Image image;
    BlockRig rig(image.backend(), ranges);
    const std::vector<RangeSegment> unmap{{.sector = 3, .num_sectors = 2, .flags = range_unmap}};
    CHECK(send_ranges(rig, RequestType::write_zeroes, unmap) == RequestStatus::ok);
    CHECK(image.sector(4) == filled(512, 0));
    // virtio 1.2, 5.2.6.2: for a discard the flag is reserved.
    CHECK(send_ranges(rig, RequestType::discard, unmap) == RequestStatus::unsupported);
    CHECK(send_ranges(rig, RequestType::write_zeroes, {{.sector = 3, .num_sectors = 2, .flags = 2}}) ==
          RequestStatus::unsupported);
}

TEST_CASE("ranges beyond the disk change nothing, not even those before them") {
    const auto type = GENERATE(RequestType::discard, RequestType::write_zeroes);
    const Image image;
    BlockRig rig(image.backend(), ranges);
    const RangeSegment good{.sector = 1, .num_sectors = 1, .flags = 0};
    for (const auto& bad : {RangeSegment{.sector = image_sectors, .num_sectors = 1, .flags = 0},
                            RangeSegment{.sector = 1, .num_sectors = image_sectors, .flags = 0},
                            RangeSegment{.sector = UINT64_MAX, .num_sectors = 1, .flags = 0},
                            RangeSegment{.sector = 1, .num_sectors = UINT32_MAX, .flags = 0}}) {
        CHECK(send_ranges(rig, type, {good, bad}) == RequestStatus::io_error);
        CHECK(image.sector(1) == filled(512, 1));
    }
    CHECK(send_ranges(rig, type, std::vector(max_range_segments + 1, good)) == RequestStatus::io_error);
    CHECK(send_ranges(rig, type, {}) == RequestStatus::io_error);
    auto half = rig.request(type, 0).readable(filled(24, 0)).writable(1);
    rig.send(half);
    CHECK(BlockRig::status(half, 0) == RequestStatus::io_error);
    CHECK(image.sector(1) == filled(512, 1));
}

TEST_CASE("the write cache can be switched off and on") {
    const Image image;
    BlockRig rig(image.backend(), {f_config_wce});
    const auto writeback = offsetof(Config, writeback);
    CHECK(rig.driver.config<std::uint8_t>(writeback) == 1);
    rig.driver.write(0x100 + writeback, 1, 0);
    CHECK(rig.driver.config<std::uint8_t>(writeback) == 0);
    auto chain = rig.request(RequestType::out, 5).readable(filled(512, 0xaa)).writable(1);
    rig.send(chain);
    CHECK(BlockRig::status(chain, 0) == RequestStatus::ok);
    CHECK(image.sector(5) == filled(512, 0xaa));
    // The field beside it is not the driver's.
    rig.driver.write(0x100 + writeback, 2, 0x0101);
    CHECK(rig.driver.config<std::uint8_t>(writeback) == 0);
    rig.driver.reset();
    CHECK(rig.driver.config<std::uint8_t>(writeback) == 1);
}

TEST_CASE("several queues") {
    const Image image;
    kit::DeviceRig<BlockDevice> rig(image.backend(), BlockOptions{.queues = 4});
    CHECK(rig.driver.offered().has(f_mq));
    CHECK(rig.driver.config<std::uint16_t>(offsetof(Config, num_queues)) == 4);
    std::vector<kit::SplitQueue> queues;
    std::vector<const kit::DriverQueue*> pointers;
    for (int i = 0; i < 4; ++i) {
        queues.emplace_back(rig.ram, 16);
    }
    for (const auto& queue : queues) {
        pointers.push_back(&queue);
    }
    rig.bring_up(pointers, {virtio::FeatureBit::version_1, f_mq});
    std::vector<ChainBuilder> chains;
    for (std::uint32_t i = 0; i < 4; ++i) {
        auto& chain = chains.emplace_back(queues[i]);
        chain.readable_value(RequestHeader{.type = 0, .reserved = 0, .sector = i + 10})
            .writable(512)
            .writable(1);
        chain.add();
        rig.driver.kick(i);
    }
    for (std::uint32_t i = 0; i < 4; ++i) {
        REQUIRE(kit::eventually([&] { return queues[i].used_index() == 1; }));
        CHECK(chains[i].written(0) == filled(512, i + 10));
        CHECK(rig.device.queue_state(i).metrics.requests.get() == 1);
        CHECK(rig.device.queue_state(i).metrics.bytes.get() == 512);
    }
}

TEST_CASE("a disk that changes its size tells the driver") {
    const Image image;
    BlockRig rig(image);
    const auto generation = rig.driver.get(virtio::Register::config_generation);
    CHECK(rig.device.resize(0) == image_sectors * sector_size);
    CHECK(rig.driver.get(virtio::Register::config_generation) == generation);

    REQUIRE(::ftruncate(image.file.get(), 2 * image_sectors * sector_size) == 0);
    CHECK(rig.device.resize(0) == 2 * image_sectors * sector_size);
    CHECK(rig.driver.get(virtio::Register::config_generation) != generation);
    CHECK(rig.driver.acknowledge() == virtio::interrupt_config_change);
    CHECK(rig.driver.config<std::uint64_t>(0) == 2 * image_sectors);
    auto there = rig.request(RequestType::in, image_sectors).writable(512).writable(1);
    rig.send(there);
    CHECK(BlockRig::status(there, 1) == RequestStatus::ok);

    REQUIRE(::ftruncate(image.file.get(), 4 * sector_size) == 0);
    CHECK(rig.device.resize(0) == 4 * sector_size);
    auto gone = rig.request(RequestType::in, 4).writable(512).writable(1);
    rig.send(gone);
    CHECK(BlockRig::status(gone, 1) == RequestStatus::io_error);
}

TEST_CASE("a rate limit holds requests back, and a reset does not wait for it") {
    const Image image;
    const BlockOptions options{.limit = {.bytes = {}, .operations = {.rate = 4, .burst = 1}}};
    BlockRig rig(image.backend(), {}, options);
    const auto add = [&](unsigned count) {
        for (unsigned i = 0; i < count; ++i) {
            rig.request(RequestType::in, i).writable(512).writable(1).add();
        }
        rig.driver.kick(0);
    };
    const auto begin = std::chrono::steady_clock::now();
    add(4);
    REQUIRE(kit::eventually([&] { return rig.queue.used_index() == 4; }));
    CHECK(std::chrono::steady_clock::now() - begin >= std::chrono::milliseconds(740));

    const auto before_reset = std::chrono::steady_clock::now();
    rig.queue.reset();
    rig.bring_up(rig.queue);
    add(20);
    rig.driver.reset();
    CHECK(rig.driver.get(virtio::Register::status) == 0);
    CHECK(std::chrono::steady_clock::now() - before_reset < std::chrono::seconds(4));
}

TEST_CASE("what fails is counted, and other requests are not") {
    const Image image;
    BlockRig rig(image);
    auto good = rig.request(RequestType::in, 1).writable(512).writable(1);
    auto bad = rig.request(RequestType::in, image_sectors).writable(512).writable(1);
    rig.send(good);
    rig.send(bad);
    const auto& metrics = rig.device.queue_state(0).metrics;
    CHECK(metrics.requests.get() == 2);
    CHECK(metrics.errors.get() == 1);
    CHECK(metrics.bytes.get() == 512);
    CHECK(metrics.notifications.get() == 2);
    std::uint64_t timed = 0;
    for (const auto& bucket : metrics.latency) {
        timed += bucket.get();
    }
    CHECK(timed == 2);
}

} // namespace block_features_test
