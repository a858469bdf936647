// SPDX-License-Identifier: Apache-2.0
#include "devices/block/backend_file.hpp"

#include "base/errno_text.hpp"
#include "base/log.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fcntl.h>
#include <format>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <span>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <utility>

namespace hvisor::devices::block {
namespace {

/// FNV-1a; the serial needs to be stable and distinct, not secret.
std::uint64_t hash(std::span<const std::uint64_t> values) {
    std::uint64_t result = 0xcbf29ce484222325;
    for (auto value : values) {
        for (int i = 0; i < 8; ++i, value >>= 8) {
            result = (result ^ (value & 0xff)) * 0x100000001b3;
        }
    }
    return result;
}

/// The same after a reboot and for another path to the same image: a file by
/// its inode and file system, a block device by its number.
std::string make_serial(const struct stat& status, const struct statfs& system) {
    if (S_ISBLK(status.st_mode)) {
        const std::uint64_t values[] = {status.st_rdev};
        return std::format("hv-{:016x}", hash(values));
    }
    const std::uint64_t values[] = {status.st_ino, static_cast<std::uint32_t>(system.f_fsid.__val[0]),
                                    static_cast<std::uint32_t>(system.f_fsid.__val[1])};
    return std::format("hv-{:016x}", hash(values));
}

/// File systems whose reads and writes wait for no disk.
bool is_in_memory(const struct statfs& system) {
    return system.f_type == TMPFS_MAGIC || system.f_type == RAMFS_MAGIC || system.f_type == HUGETLBFS_MAGIC;
}

std::int64_t result_of(std::int64_t returned) {
    return returned < 0 ? -errno : returned;
}

} // namespace

Result<FileBackend> FileBackend::open(UniqueFd image, FileOptions options) {
    FileBackend backend;
    backend.image_ = std::move(image);
    backend.options_ = std::move(options);
    const auto& path = backend.path();
    const int mode = ::fcntl(backend.fd(), F_GETFL);
    if (!backend.read_only() && (mode & O_ACCMODE) != O_RDWR) {
        return fail(ErrorCode::not_permitted,
                    "disk image {}: not open for writing; make it writable or read-only in "
                    "the configuration",
                    path);
    }
    // Whoever opened it may have wanted not to wait for it; io_uring would take that for every read.
    ::fcntl(backend.fd(), F_SETFL, mode & ~O_NONBLOCK);
    if (auto found = backend.find_geometry(); !found) {
        return std::unexpected(std::move(found).error());
    }
    if (backend.size_ < backend.block_size_) {
        return fail(ErrorCode::invalid_config, "disk image {}: {} bytes are less than one sector", path,
                    backend.size_);
    }
    if (auto locked = backend.lock(); !locked) {
        return std::unexpected(std::move(locked).error());
    }
    if (backend.direct()) {
        if (auto direct = backend.set_direct(); !direct) {
            return std::unexpected(std::move(direct).error());
        }
    }
    return backend;
}

Result<void> FileBackend::find_geometry() {
    struct stat status{};
    struct statfs system{};
    if (::fstat(fd(), &status) != 0 || ::fstatfs(fd(), &system) != 0) {
        return fail(ErrorCode::io_error, "disk image {}: {}", path(), errno_text());
    }
    is_device_ = S_ISBLK(status.st_mode);
    if (!is_device_ && !S_ISREG(status.st_mode)) {
        return fail(ErrorCode::invalid_config, "disk image {}: neither a regular file nor a block device",
                    path());
    }
    if (is_device_) {
        int block_size = 0;
        unsigned physical = 0;
        if (::ioctl(fd(), BLKSSZGET, &block_size) != 0 || ::ioctl(fd(), BLKPBSZGET, &physical) != 0) {
            return fail(ErrorCode::io_error, "block device {}: cannot get its block size: {}", path(),
                        errno_text());
        }
        block_size_ = static_cast<std::uint32_t>(block_size);
        physical_block_size_ = std::max(physical, block_size_);
    } else {
        in_memory_ = is_in_memory(system);
    }
    if (options_.serial.empty()) {
        options_.serial = make_serial(status, system);
    }
    auto size = refresh_size();
    if (!size) {
        return std::unexpected(std::move(size).error());
    }
    return {};
}

Result<std::uint64_t> FileBackend::refresh_size() {
    // Also for block devices, whose stat() has no size; no position is used here.
    const auto end = ::lseek(fd(), 0, SEEK_END);
    if (end < 0) {
        return fail(ErrorCode::io_error, "disk image {}: cannot get its size: {}", path(), errno_text());
    }
    size_ = static_cast<std::uint64_t>(end);
    return size_;
}

Result<void> FileBackend::grow(std::uint64_t bytes) {
    if (is_device_) {
        return fail(ErrorCode::invalid_config,
                    "disk image {}: a block device has the size it has: change it with the tools it was made "
                    "with, then ask without a size",
                    path());
    }
    auto now = refresh_size();
    if (!now) {
        return std::unexpected(std::move(now).error());
    }
    if (bytes < *now || bytes % block_size() != 0) {
        return fail(
            ErrorCode::invalid_config,
            "disk image {}: a size of {} bytes; expected a multiple of {}, and not less than the {} it "
            "has, because what the zone keeps at its end would be lost",
            path(), bytes, block_size(), *now);
    }
    const bool is_possible = std::in_range<off_t>(bytes);
    if (!is_possible || ::ftruncate(fd(), static_cast<off_t>(bytes)) != 0) {
        return fail(ErrorCode::io_error, "disk image {}: cannot make it {} bytes long: {}", path(), bytes,
                    errno_text(is_possible ? errno : EFBIG));
    }
    return {};
}

Result<void> FileBackend::set_direct() {
    struct statx facts{};
    if (::statx(fd(), "", AT_EMPTY_PATH, STATX_DIOALIGN, &facts) == 0 &&
        (facts.stx_mask & STATX_DIOALIGN) != 0 && facts.stx_dio_offset_align != 0) {
        block_size_ = std::max(block_size_, facts.stx_dio_offset_align);
    }
    const int mode = ::fcntl(fd(), F_GETFL);
    if (in_memory_ || ::fcntl(fd(), F_SETFL, mode | O_DIRECT) != 0) {
        return fail(ErrorCode::invalid_config,
                    "disk image {}: its file system has no direct I/O; leave out \"direct\"", path());
    }
    return {};
}

Result<void> FileBackend::lock() const {
    struct flock range{};
    range.l_type = read_only() ? F_RDLCK : F_WRLCK;
    range.l_whence = SEEK_SET;
    // Of the open file, not of the process: it ends with the descriptor, and
    // two zones of this daemon exclude each other as well.
    if (::fcntl(fd(), F_OFD_SETLK, &range) == 0) {
        return {};
    }
    if (errno == EAGAIN || errno == EACCES) {
        return fail(ErrorCode::resource_busy,
                    "disk image {}: in use by another zone or program, which has locked it; stop that, or "
                    "make the image read-only in both",
                    path());
    }
    log::warning("disk image {}: cannot be locked ({}); nothing keeps others from writing to it", path(),
                 errno_text());
    return {};
}

void FileBackend::close() {
    // By name: an io_uring that is being torn down keeps the open file for a while.
    struct flock range{};
    range.l_type = F_UNLCK;
    range.l_whence = SEEK_SET;
    ::fcntl(fd(), F_OFD_SETLK, &range);
    image_.reset();
}

void FileBackend::carry_out(Operation& operation) const {
    const auto count = static_cast<int>(operation.pieces.size());
    const auto offset = static_cast<off_t>(operation.offset);
    switch (operation.kind) {
    case Operation::Kind::read:
        // Most requests have one buffer, and the plain call is the cheaper one for it.
        operation.result = result_of(
            count == 1 ? ::pread(fd(), operation.pieces[0].iov_base, operation.pieces[0].iov_len, offset)
                       : ::preadv(fd(), operation.pieces.data(), count, offset));
        break;
    case Operation::Kind::write:
        operation.result = result_of(
            ::pwritev2(fd(), operation.pieces.data(), count, offset, operation.durable ? RWF_DSYNC : 0));
        break;
    case Operation::Kind::flush:
        operation.result = result_of(::fdatasync(fd()));
        break;
    case Operation::Kind::discard:
        operation.result = discard(operation);
        break;
    case Operation::Kind::write_zeroes:
        operation.result = write_zeroes(operation);
        break;
    }
}

bool FileBackend::try_carry_out(Operation& operation) {
    if (direct() || operation.length > max_inline) {
        return false;
    }
    if (in_memory_) {
        if (operation.kind == Operation::Kind::read || operation.kind == Operation::Kind::write ||
            operation.kind == Operation::Kind::flush) {
            carry_out(operation);
            return true;
        }
        return false;
    }
    if (operation.kind != Operation::Kind::read || !reads_nowait_) {
        return false;
    }
    const auto done = ::preadv2(fd(), operation.pieces.data(), static_cast<int>(operation.pieces.size()),
                                static_cast<off_t>(operation.offset), RWF_NOWAIT);
    reads_nowait_ = done >= 0 || errno != EOPNOTSUPP;
    // 0 may be a page that is not there yet; whoever may wait finds out.
    operation.result = done;
    return done > 0;
}

std::int64_t FileBackend::allocate(int mode, const Operation& operation) const {
    const auto returned = ::fallocate(fd(), mode | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(operation.offset),
                                      static_cast<off_t>(operation.length));
    return returned == 0 ? static_cast<std::int64_t>(operation.length) : -errno;
}

std::int64_t FileBackend::discard(const Operation& operation) const {
    const auto result = allocate(FALLOC_FL_PUNCH_HOLE, operation);
    // virtio 1.2, 5.2.6: it is a hint, which not every image can take.
    return result == -EOPNOTSUPP ? static_cast<std::int64_t>(operation.length) : result;
}

std::int64_t FileBackend::write_zeroes(const Operation& operation) const {
    const auto result =
        allocate(operation.may_unmap ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE, operation);
    if (result != -EOPNOTSUPP) {
        return result;
    }
    static constexpr std::size_t step = std::size_t{64} << 10;
    alignas(4096) static const std::array<std::byte, step> zeroes{};
    const auto count = std::min<std::uint64_t>(operation.length, step);
    return result_of(::pwrite(fd(), zeroes.data(), count, static_cast<off_t>(operation.offset)));
}

} // namespace hvisor::devices::block
