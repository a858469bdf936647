// SPDX-License-Identifier: Apache-2.0
#include "block_rig.hpp"

#include <cstddef>

namespace block_swap_test {

using namespace hvisor;
using namespace hvisor::devices::block;

namespace {

std::uint64_t sectors_told(BlockRig& rig) {
    return rig.driver.config<std::uint64_t>(offsetof(Config, capacity));
}

} // namespace

TEST_CASE("a guest reads and writes the other image after a swap, and is told its size") {
    const Image first;
    const DiskFile second(2 * image_sectors * sector_size);
    BlockRig rig(first);
    const std::string serial = rig.device.serial();
    const auto generation = rig.driver.get(virtio::Register::config_generation);

    const auto swapped =
        rig.device.swap_image(second.path, UniqueFd(::open(second.path.c_str(), O_RDWR | O_CLOEXEC)));
    REQUIRE(swapped);
    CHECK(*swapped == 2 * image_sectors * sector_size);
    CHECK(rig.device.capacity() == *swapped);
    CHECK(rig.device.backend_name() == second.path);
    CHECK(rig.device.serial() == serial);
    CHECK(sectors_told(rig) == 2 * image_sectors);
    CHECK(rig.driver.get(virtio::Register::config_generation) != generation);
    CHECK(kit::eventually([&] { return (rig.driver.acknowledge() & virtio::interrupt_config_change) != 0; }));

    auto read = rig.request(RequestType::in, image_sectors + 5).writable(512).writable(1);
    rig.send(read);
    CHECK(BlockRig::status(read, 1) == RequestStatus::ok);
    CHECK(read.written(0) == second.bytes((image_sectors + 5) * sector_size, 512));
    auto write = rig.request(RequestType::out, 3).readable(filled(512, 0xab)).writable(1);
    rig.send(write);
    CHECK(BlockRig::status(write, 0) == RequestStatus::ok);
    CHECK(second.bytes(3 * sector_size, 512) == filled(512, 0xab));
    CHECK(first.sector(3) == filled(512, 3));
    // The old one is free for others.
    CHECK(FileBackend::open(first.open(), {.path = "disk.img"}));
}

TEST_CASE("an image is swapped before there is a driver, and while requests come") {
    const DiskFile first(std::size_t{1} << 20);
    const DiskFile second(std::size_t{1} << 20);
    BlockRig rig(first.backend());
    rig.driver.reset();
    rig.queue.reset();
    REQUIRE(rig.device.swap_image(second.path, UniqueFd(::open(second.path.c_str(), O_RDWR | O_CLOEXEC))));
    rig.bring_up(rig.queue, {virtio::FeatureBit::version_1, f_flush});

    for (unsigned round = 0; round < 20; ++round) {
        const auto& next = round % 2 == 0 ? first : second;
        next.drop_cache();
        std::vector<kit::ChainBuilder> chains;
        for (unsigned i = 0; i < 10; ++i) {
            auto& chain = chains.emplace_back(rig.request(RequestType::in, i * std::uint64_t{128}));
            chain.writable(4096).writable(1);
            chain.add();
        }
        rig.driver.kick(0);
        REQUIRE(rig.device.swap_image(next.path, UniqueFd(::open(next.path.c_str(), O_RDWR | O_CLOEXEC))));
        for (std::size_t done = 0; done < chains.size(); ++done) {
            REQUIRE(kit::eventually([&] { return rig.queue.take_used().has_value(); }));
        }
        for (const auto& chain : chains) {
            CHECK(BlockRig::status(chain, 1) == RequestStatus::ok);
        }
        rig.driver.acknowledge();
    }
}

TEST_CASE("a limited disk is swapped while requests wait for their turn") {
    const Image first;
    const Image second;
    const Throttle::Settings limit{.bytes = {}, .operations = {.rate = 50, .burst = 1}};
    BlockRig rig(first.backend(), {}, {.queues = 1, .limit = limit});
    std::vector<kit::ChainBuilder> chains;
    for (unsigned i = 0; i < 5; ++i) {
        chains.push_back(rig.request(RequestType::in, i).writable(512).writable(1));
        chains.back().add();
    }
    rig.driver.kick(0);
    REQUIRE(rig.device.swap_image("second.img", second.open()));
    for (std::size_t done = 0; done < chains.size(); ++done) {
        REQUIRE(kit::eventually([&] { return rig.queue.take_used().has_value(); }));
    }
}

TEST_CASE("an image that does not fit is refused, and the old one stays") {
    const Image first;
    BlockRig rig(first);

    const DiskFile taken(image_sectors * sector_size);
    const auto holder = taken.backend();
    const auto refused =
        rig.device.swap_image(taken.path, UniqueFd(::open(taken.path.c_str(), O_RDWR | O_CLOEXEC)));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::resource_busy);

    const auto no_file = rig.device.swap_image("pipe", UniqueFd(::memfd_create("tiny", MFD_CLOEXEC)));
    REQUIRE_FALSE(no_file);
    CHECK(no_file.error().code == ErrorCode::invalid_config);
    const auto read_only =
        rig.device.swap_image("ro", UniqueFd(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC)));
    REQUIRE_FALSE(read_only);
    CHECK(read_only.error().code == ErrorCode::not_permitted);

    CHECK(rig.device.backend_name() == "disk.img");
    auto read = rig.request(RequestType::in, 5).writable(512).writable(1);
    rig.send(read);
    CHECK(read.written(0) == filled(512, 5));
}

TEST_CASE("a disk of a zone that has stopped takes no image") {
    const Image first;
    const Image second;
    BlockRig rig(first);
    rig.device.quiesce();
    const auto refused = rig.device.swap_image("second.img", second.open());
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::wrong_state);
}

} // namespace block_swap_test
