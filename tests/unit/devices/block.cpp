// SPDX-License-Identifier: Apache-2.0
#include "block_rig.hpp"

namespace block_test {

using namespace hvisor;
using namespace hvisor::devices::block;
using kit::ChainBuilder;

TEST_CASE("a disk says what it is") {
    const Image image;
    const BlockRig rig(image);
    CHECK(rig.driver.get(virtio::Register::device_id) == 2);
    CHECK(rig.driver.config<std::uint64_t>(0) == image_sectors);
    CHECK(rig.driver.config<std::uint32_t>(12) == 254);
    CHECK(rig.driver.config<std::uint32_t>(20) == 512);
    CHECK(rig.driver.offered() == (virtio::FeatureSet{f_seg_max, f_blk_size, f_topology, f_flush,
                                                      f_config_wce, f_discard, f_write_zeroes} |
                                   virtio::transport_features));
    CHECK(rig.device.backend_name() == "disk.img");

    const Image another;
    const BlockRig read_only(another, true);
    CHECK(read_only.driver.offered() ==
          (virtio::FeatureSet{f_seg_max, f_blk_size, f_topology, f_flush, f_read_only} |
           virtio::transport_features));
}

TEST_CASE("the last part of a sector is not offered") {
    const Image image(10 * sector_size + 100);
    BlockRig rig(image);
    CHECK(rig.driver.config<std::uint64_t>(0) == 10);
    auto chain = rig.request(RequestType::in, 10).writable(512).writable(1);
    rig.send(chain);
    CHECK(BlockRig::status(chain, 1) == RequestStatus::io_error);
}

TEST_CASE("reads, in one buffer and in many") {
    const Image image;
    BlockRig rig(image);
    auto one = rig.request(RequestType::in, 7).writable(512).writable(1);
    CHECK(rig.send(one) == 513);
    CHECK(BlockRig::status(one, 1) == RequestStatus::ok);
    CHECK(one.written(0) == filled(512, 7));

    // virtio 1.2, 2.7.4.3: how a driver cuts its buffers has no meaning.
    auto many = rig.request(RequestType::in, 8).writable(100).writable(924).writable(513);
    CHECK(rig.send(many) == 1537);
    CHECK(many.written(0) == filled(100, 8));
    CHECK(many.written(1).at(411) == std::byte{8});
    CHECK(many.written(1).at(412) == std::byte{9});
    CHECK(many.written(2).at(511) == std::byte{10});
    CHECK(BlockRig::status(many, 2) == RequestStatus::ok);
}

TEST_CASE("writes change the image, and nothing around") {
    const Image image;
    BlockRig rig(image);
    auto chain =
        rig.request(RequestType::out, 5).readable(filled(300, 0xaa)).readable(filled(724, 0xbb)).writable(1);
    CHECK(rig.send(chain) == 1);
    CHECK(BlockRig::status(chain, 0) == RequestStatus::ok);
    CHECK(image.sector(4) == filled(512, 4));
    CHECK(image.sector(5).at(299) == std::byte{0xaa});
    CHECK(image.sector(5).at(300) == std::byte{0xbb});
    CHECK(image.sector(6) == filled(512, 0xbb));
    CHECK(image.sector(7) == filled(512, 7));
}

TEST_CASE("a request header may be cut too") {
    const Image image;
    BlockRig rig(image);
    const RequestHeader header{.type = 0, .reserved = 0, .sector = 3};
    const auto bytes = std::as_bytes(std::span(&header, 1));
    auto chain =
        ChainBuilder(rig.queue).readable(bytes.first(5)).readable(bytes.subspan(5)).writable(512).writable(1);
    CHECK(rig.send(chain) == 513);
    CHECK(chain.written(0) == filled(512, 3));
}

TEST_CASE("an indirect request is like any other") {
    const Image image;
    BlockRig rig(image);
    rig.driver.reset();
    rig.queue.reset();
    rig.bring_up(rig.queue, kit::split_features);
    auto chain = rig.request(RequestType::in, 9).writable(512).writable(1).indirect();
    CHECK(rig.send(chain) == 513);
    CHECK(chain.written(0) == filled(512, 9));
}

TEST_CASE("flush") {
    const Image image;
    BlockRig rig(image);
    auto chain = rig.request(RequestType::flush, 0).writable(1);
    CHECK(rig.send(chain) == 1);
    CHECK(BlockRig::status(chain, 0) == RequestStatus::ok);
}

TEST_CASE("a driver without FLUSH gets writes that last") {
    const Image image;
    BlockRig rig(image);
    rig.queue.reset();
    rig.bring_up(rig.queue, {virtio::FeatureBit::version_1});
    auto chain = rig.request(RequestType::out, 5).readable(filled(512, 0xaa)).writable(1);
    CHECK(rig.send(chain) == 1);
    CHECK(BlockRig::status(chain, 0) == RequestStatus::ok);
    CHECK(image.sector(5) == filled(512, 0xaa));
}

TEST_CASE("the serial belongs to the image, not to its path") {
    const Image image;
    BlockRig rig(image);
    auto chain = rig.request(RequestType::get_id, 0).writable(20).writable(1);
    CHECK(rig.send(chain) == 21);
    CHECK(BlockRig::status(chain, 1) == RequestStatus::ok);
    const auto serial = kit::to_text(chain.written(0));
    CHECK(serial.starts_with(image.backend().serial()));
    CHECK(serial.starts_with("hv-"));
    CHECK(serial.back() == '\0');
    CHECK(Image().backend().serial() != image.backend().serial());
}

TEST_CASE("many requests at once, one after the other in the end") {
    const Image image;
    BlockRig rig(image);
    std::vector<ChainBuilder> chains;
    for (unsigned i = 0; i < 20; ++i) {
        auto& chain = chains.emplace_back(rig.request(RequestType::in, i));
        chain.writable(512).writable(1);
        chain.add();
    }
    rig.driver.kick(0);
    REQUIRE(kit::eventually([&] { return rig.queue.used_index() == 20; }));
    for (unsigned i = 0; i < 20; ++i) {
        CHECK(chains[i].written(0) == filled(512, i));
    }
}

TEST_CASE("an image that is no image is refused with its path") {
    auto file = FileBackend::open(UniqueFd(::open("/dev/null", O_RDWR | O_CLOEXEC)), {.path = "/dev/null"});
    REQUIRE_FALSE(file);
    CHECK(file.error().code == ErrorCode::invalid_config);
    CHECK(file.error().message.contains("/dev/null"));

    const UniqueFd empty(::memfd_create("image", MFD_CLOEXEC));
    CHECK_FALSE(FileBackend::open(UniqueFd(::dup(empty.get())), {.path = "empty.img"}));

    const auto* const path = "/proc/self/exe";
    file = FileBackend::open(UniqueFd(::open(path, O_RDONLY | O_CLOEXEC)), {.path = path});
    REQUIRE_FALSE(file);
    CHECK(file.error().code == ErrorCode::not_permitted);
    CHECK(FileBackend::open(UniqueFd(::open(path, O_RDONLY | O_CLOEXEC)), {.path = path, .read_only = true}));
}

} // namespace block_test
