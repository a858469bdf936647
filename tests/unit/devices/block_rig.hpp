// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "devices/block/config.hpp"
#include "devices/block/device.hpp"
#include "kit/device_rig.hpp"

#include <catch2/catch_test_macros.hpp>
#include <fcntl.h>
#include <format>
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
        auto backend = FileBackend::open(open(), {.path = "disk.img", .read_only = read_only});
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

/// An image on the file system of the working folder, which is a disk's on
/// most machines: its page cache may be empty, unlike a memfd's.
struct DiskFile {
    explicit DiskFile(std::size_t size)
        : path(std::format("disk-{}-{}.img", ::getpid(), ++count)),
          file(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600)) {
        REQUIRE(file);
        std::vector<std::byte> bytes(size);
        for (std::size_t i = 0; i < size; ++i) {
            bytes[i] = static_cast<std::byte>(i / sector_size * 7 + 1);
        }
        REQUIRE(::pwrite(file.get(), bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(size));
    }
    DiskFile(const DiskFile&) = delete;
    DiskFile& operator=(const DiskFile&) = delete;
    DiskFile(DiskFile&&) = delete;
    DiskFile& operator=(DiskFile&&) = delete;
    ~DiskFile() { ::unlink(path.c_str()); }

    /// A new open file, as another program would have it.
    [[nodiscard]] Result<FileBackend> open(FileOptions options = {}) const {
        options.path = path;
        const int mode = options.read_only ? O_RDONLY : O_RDWR;
        return FileBackend::open(UniqueFd(::open(path.c_str(), mode | O_CLOEXEC)), options);
    }
    [[nodiscard]] FileBackend backend(FileOptions options = {}) const {
        auto opened = open(std::move(options));
        REQUIRE(opened);
        return std::move(*opened);
    }
    /// What comes next has to be read from the disk.
    void drop_cache() const {
        REQUIRE(::fsync(file.get()) == 0);
        REQUIRE(::posix_fadvise(file.get(), 0, 0, POSIX_FADV_DONTNEED) == 0);
    }
    [[nodiscard]] std::vector<std::byte> bytes(std::size_t offset, std::size_t size) const {
        std::vector<std::byte> found(size);
        REQUIRE(::pread(file.get(), found.data(), size, static_cast<off_t>(offset)) ==
                static_cast<ssize_t>(size));
        return found;
    }

    static inline int count = 0;
    std::string path;
    UniqueFd file;
};

/// A driver that sends one request at a time.
struct BlockRig : kit::DeviceRig<BlockDevice> {
    explicit BlockRig(const Image& image, bool read_only = false) : BlockRig(image.backend(read_only)) {}
    explicit BlockRig(FileBackend backend, virtio::FeatureSet extra = {}, BlockOptions options = {})
        : DeviceRig(std::move(backend), options) {
        bring_up(queue, virtio::FeatureSet{virtio::FeatureBit::version_1, f_flush} | extra);
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
