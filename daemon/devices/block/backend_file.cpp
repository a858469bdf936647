// SPDX-License-Identifier: Apache-2.0
#include "devices/block/backend_file.hpp"

#include "base/errno_text.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <fcntl.h>
#include <linux/fs.h>
#include <span>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

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
std::string make_serial(int fd, const struct stat& status) {
    if (S_ISBLK(status.st_mode)) {
        const std::uint64_t values[] = {status.st_rdev};
        return std::format("hv-{:016x}", hash(values));
    }
    struct statfs system{};
    ::fstatfs(fd, &system);
    const std::uint64_t values[] = {status.st_ino, static_cast<std::uint32_t>(system.f_fsid.__val[0]),
                                    static_cast<std::uint32_t>(system.f_fsid.__val[1])};
    return std::format("hv-{:016x}", hash(values));
}

/// Calls `transfer(pieces, count, offset)` until every piece is done. A
/// transfer of 0 bytes is the end of an image that has become shorter than the
/// disk that the guest sees: an error, for zeroes would pass for data.
template <class Transfer>
int transfer_all(std::uint64_t offset, std::vector<iovec>& pieces, Transfer transfer) {
    std::size_t first = 0;
    while (first < pieces.size()) {
        const auto count = std::min<std::size_t>(pieces.size() - first, IOV_MAX);
        const ssize_t done = transfer(&pieces[first], static_cast<int>(count), static_cast<off_t>(offset));
        if (done < 0) {
            if (errno == EINTR) {
                continue;
            }
            return errno;
        }
        if (done == 0) {
            return EIO;
        }
        offset += static_cast<std::uint64_t>(done);
        auto left = static_cast<std::size_t>(done);
        while (left != 0 && left >= pieces[first].iov_len) {
            left -= pieces[first].iov_len;
            ++first;
        }
        if (left != 0) {
            pieces[first].iov_base = static_cast<std::byte*>(pieces[first].iov_base) + left;
            pieces[first].iov_len -= left;
        }
    }
    return 0;
}

} // namespace

Result<FileBackend> FileBackend::open(UniqueFd image, std::string path, bool read_only) {
    struct stat status{};
    if (::fstat(image.get(), &status) != 0) {
        return fail(ErrorCode::io_error, "disk image {}: {}", path, errno_text());
    }
    const int mode = ::fcntl(image.get(), F_GETFL);
    if (!read_only && (mode & O_ACCMODE) != O_RDWR) {
        return fail(ErrorCode::not_permitted,
                    "disk image {}: not open for writing; make it writable or read-only in "
                    "the configuration",
                    path);
    }
    FileBackend backend;
    if (S_ISREG(status.st_mode)) {
        backend.size_ = static_cast<std::uint64_t>(status.st_size);
    } else if (S_ISBLK(status.st_mode)) {
        int block_size = 0;
        if (::ioctl(image.get(), BLKGETSIZE64, &backend.size_) != 0 ||
            ::ioctl(image.get(), BLKSSZGET, &block_size) != 0) {
            return fail(ErrorCode::io_error, "block device {}: cannot get its size: {}", path, errno_text());
        }
        backend.block_size_ = static_cast<std::uint32_t>(block_size);
    } else {
        return fail(ErrorCode::invalid_config, "disk image {}: neither a regular file nor a block device",
                    path);
    }
    if (backend.size_ < backend.block_size_) {
        return fail(ErrorCode::invalid_config, "disk image {}: {} bytes are less than one sector", path,
                    backend.size_);
    }
    backend.serial_ = make_serial(image.get(), status);
    backend.image_ = std::move(image);
    backend.path_ = std::move(path);
    backend.read_only_ = read_only;
    return backend;
}

int FileBackend::read(std::uint64_t offset, std::vector<iovec>& pieces) const {
    return transfer_all(offset, pieces, [this](const iovec* some, int count, off_t at) {
        return ::preadv(image_.get(), some, count, at);
    });
}

int FileBackend::write(std::uint64_t offset, std::vector<iovec>& pieces, bool durable) const {
    return transfer_all(offset, pieces, [this, durable](const iovec* some, int count, off_t at) {
        return ::pwritev2(image_.get(), some, count, at, durable ? RWF_DSYNC : 0);
    });
}

int FileBackend::flush() const {
    return ::fdatasync(image_.get()) == 0 ? 0 : errno;
}

} // namespace hvisor::devices::block
