// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "devices/block/config.hpp"
#include "devices/block/device.hpp"
#include "kit/device_rig.hpp"

#include <catch2/catch_test_macros.hpp>
#include <fcntl.h>
#include <numeric>
#include <string>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

namespace hvisor::devices::block {

inline constexpr std::size_t image_sectors = 64;

/// An image whose sector n is filled with the byte n.
struct Image {
    explicit Image(std::size_t size = image_sectors * sector_size)
        : file(::memfd_create("image", MFD_CLOEXEC)) {
        std::vector<std::byte> bytes(size);
        for (std::size_t i = 0; i < size; ++i) {
            bytes[i] = static_cast<std::byte>(i / sector_size);
        }
        REQUIRE(::pwrite(file.get(), bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(size));
    }
    [[nodiscard]] UniqueFd open() const { return UniqueFd(::fcntl(file.get(), F_DUPFD_CLOEXEC, 0)); }
    [[nodiscard]] FileBackend backend(bool read_only = false) const {
        auto backend = FileBackend::open(open(), "disk.img", read_only);
        REQUIRE(backend);
        return std::move(*backend);
    }
    [[nodiscard]] std::vector<std::byte> sector(std::size_t number) const {
        std::vector<std::byte> bytes(sector_size);
        REQUIRE(::pread(file.get(), bytes.data(), bytes.size(), static_cast<off_t>(number * sector_size)) ==
                static_cast<ssize_t>(sector_size));
        return bytes;
    }

    UniqueFd file;
};

[[nodiscard]] inline std::vector<std::byte> filled(std::size_t size, unsigned value) {
    return {size, static_cast<std::byte>(value)};
}

/// A driver that sends one request at a time.
struct BlockRig : kit::DeviceRig<BlockDevice> {
    explicit BlockRig(const Image& image, bool read_only = false) : BlockRig(image.backend(read_only)) {}
    explicit BlockRig(FileBackend backend) : DeviceRig(std::move(backend)) {
        bring_up(queue, {virtio::FeatureBit::version_1, f_flush});
    }

    [[nodiscard]] kit::ChainBuilder request(RequestType type, std::uint64_t sector) {
        kit::ChainBuilder chain(queue);
        chain.readable_value(
            RequestHeader{.type = static_cast<std::uint32_t>(type), .reserved = 0, .sector = sector});
        return chain;
    }
    /// Sends it and waits; returns the used length.
    std::uint32_t send(kit::ChainBuilder& chain) {
        const auto head = chain.add();
        driver.kick(0);
        std::optional<kit::SplitQueue::Used> used;
        REQUIRE(kit::eventually([&] { return (used = queue.take_used()).has_value(); }));
        CHECK(used->head == head);
        driver.acknowledge();
        return used->length;
    }
    static RequestStatus status(const kit::ChainBuilder& chain, std::size_t buffer) {
        return static_cast<RequestStatus>(chain.written(buffer).back());
    }

    kit::SplitQueue queue{ram, 64};
};

} // namespace hvisor::devices::block
