// SPDX-License-Identifier: Apache-2.0
#include "devices/block/request.hpp"

#include "base/checked.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <span>
#include <utility>

namespace hvisor::devices::block {
namespace {

/// Longer transfers are cut: an operation must neither hold up a thread for
/// long nor need a bounce buffer without bound.
constexpr std::uint64_t max_operation = std::uint64_t{1} << 20;

/// Bytes of `count` sectors from `sector` on, if they are on the disk.
std::optional<std::uint64_t> offset_on_disk(std::uint64_t sector, std::uint64_t length,
                                            std::uint64_t capacity) {
    const auto offset = checked_mul(sector, sector_size);
    if (!offset || length % sector_size != 0 || !range_inside(*offset, length, 0, capacity)) {
        return std::nullopt;
    }
    return offset;
}

/// At most IOV_MAX pieces, and the length that they have.
std::uint64_t cut_pieces(std::vector<iovec>& pieces) {
    if (pieces.size() > IOV_MAX) {
        pieces.resize(IOV_MAX);
    }
    std::uint64_t length = 0;
    for (const auto& piece : pieces) {
        length += piece.iov_len;
    }
    return length;
}

} // namespace

std::optional<RequestStatus> guest_status(Outcome outcome) {
    switch (outcome) {
    case Outcome::done:
        return RequestStatus::ok;
    case Outcome::unsupported:
        return RequestStatus::unsupported;
    case Outcome::no_status:
        return std::nullopt;
    default:
        return RequestStatus::io_error;
    }
}

std::string_view to_string(Outcome outcome) {
    switch (outcome) {
    case Outcome::done:
        return "done";
    case Outcome::unsupported:
        return "request type not supported";
    case Outcome::too_short:
        return "buffers too short";
    case Outcome::out_of_range:
        return "not whole sectors of the disk";
    case Outcome::read_only:
        return "write to a read-only disk";
    case Outcome::backend_error:
        return "error of the disk image";
    case Outcome::no_status:
        return "no room for the request's status";
    }
    return "failed";
}

void Request::begin(std::size_t queue, virtio::Chain chain, const DiskFacts& disk, bool durable) {
    queue_ = queue;
    chain_.emplace(std::move(chain));
    reader_.emplace(chain_->reader());
    writer_.emplace(chain_->writer());
    writable_ = writer_->remaining();
    header_ = {};
    error_ = 0;
    payload_ = 0;
    left_ = 0;
    ranges_.clear();
    bounce_data_ = disk.bounce;
    operation_.durable = durable;
    operation_.request = this;
    // virtio 1.2, 5.2.6: the status is the last byte of all.
    outcome_ = writable_ == 0 ? Outcome::no_status : parse(disk);
}

Outcome Request::parse(const DiskFacts& disk) {
    const auto header = reader_->read<RequestHeader>();
    if (!header) {
        return Outcome::too_short;
    }
    header_ = *header;
    switch (static_cast<RequestType>(header_.type)) {
    case RequestType::in:
        operation_.kind = Operation::Kind::read;
        return parse_transfer(disk, writable_ - 1); // the status is not data
    case RequestType::out:
        operation_.kind = Operation::Kind::write;
        // virtio 1.2, 5.2.6.2: a write to a read-only device fails and changes nothing.
        return disk.read_only ? Outcome::read_only : parse_transfer(disk, reader_->remaining());
    case RequestType::flush:
        ranges_.push_back({.offset = 0, .length = 0, .may_unmap = false});
        operation_.kind = Operation::Kind::flush;
        return Outcome::done;
    case RequestType::get_id:
        return parse_get_id(disk);
    case RequestType::discard:
        operation_.kind = Operation::Kind::discard;
        return disk.discard ? parse_ranges(disk, true) : Outcome::unsupported;
    case RequestType::write_zeroes:
        operation_.kind = Operation::Kind::write_zeroes;
        return disk.write_zeroes ? parse_ranges(disk, false) : Outcome::unsupported;
    }
    return Outcome::unsupported;
}

Outcome Request::parse_transfer(const DiskFacts& disk, std::uint64_t length) {
    const auto offset = offset_on_disk(header_.sector, length, disk.capacity);
    if (!offset) {
        return Outcome::out_of_range;
    }
    operation_.offset = *offset;
    left_ = length;
    payload_ = length;
    return Outcome::done;
}

Outcome Request::parse_ranges(const DiskFacts& disk, bool is_discard) {
    const auto count = reader_->remaining() / sizeof(RangeSegment);
    if (count == 0 || reader_->remaining() % sizeof(RangeSegment) != 0) {
        return Outcome::too_short;
    }
    // virtio 1.2, 5.2.6.2: judged before any of them is carried out.
    if (count > max_range_segments) {
        return Outcome::out_of_range;
    }
    while (const auto segment = reader_->read<RangeSegment>()) {
        const auto length = segment->num_sectors * sector_size;
        const auto offset = offset_on_disk(segment->sector, length, disk.capacity);
        // virtio 1.2, 5.2.6.2: unknown flags, and unmap for a discard, are not supported.
        if ((segment->flags & ~range_unmap) != 0 || (is_discard && segment->flags != 0)) {
            return Outcome::unsupported;
        }
        if (!offset || segment->num_sectors > max_range_sectors) {
            return Outcome::out_of_range;
        }
        if (length != 0) {
            ranges_.push_back(
                {.offset = *offset, .length = length, .may_unmap = (segment->flags & range_unmap) != 0});
        }
    }
    std::ranges::reverse(ranges_);
    return Outcome::done;
}

Outcome Request::parse_get_id(const DiskFacts& disk) {
    if (writable_ - 1 < FileBackend::serial_size) {
        return Outcome::too_short;
    }
    // virtio 1.2, 5.2.6.1: 20 bytes, the end filled with NUL.
    std::array<char, FileBackend::serial_size> serial{};
    std::ranges::copy(disk.serial.substr(0, serial.size()), serial.begin());
    writer_->write(std::as_bytes(std::span(serial)));
    return Outcome::done;
}

Operation* Request::next(BouncePool& bounces) {
    if (outcome_ != Outcome::done) {
        return nullptr;
    }
    const bool is_transfer =
        operation_.kind == Operation::Kind::read || operation_.kind == Operation::Kind::write;
    if (left_ == 0 && !ranges_.empty()) {
        const auto range = ranges_.back();
        ranges_.pop_back();
        operation_.offset = range.offset;
        operation_.length = range.length;
        operation_.may_unmap = range.may_unmap;
        operation_.pieces.clear();
        left_ = range.length;
        return &operation_;
    }
    if (left_ == 0) {
        return nullptr;
    }
    if (is_transfer) {
        prepare_transfer(bounces);
    } else {
        operation_.length = left_;
    }
    return &operation_;
}

void Request::prepare_transfer(BouncePool& bounces) {
    const bool is_read = operation_.kind == Operation::Kind::read;
    auto& pieces = operation_.pieces;
    pieces.clear();
    if (bounce_data_) {
        operation_.length = std::min<std::uint64_t>(left_, BouncePool::buffer_size);
        bounce_ = bounces.take();
        const std::span data(bounce_.get(), operation_.length);
        if (!is_read) {
            auto ahead = *reader_;
            ahead.read(data);
        }
        pieces.push_back({.iov_base = data.data(), .iov_len = data.size()});
        return;
    }
    const auto wanted = std::min(left_, max_operation);
    if (is_read) {
        writer_->peek(wanted, pieces);
    } else {
        reader_->peek(wanted, pieces);
    }
    operation_.length = cut_pieces(pieces);
}

void Request::take_result(BouncePool& bounces) {
    const auto result = operation_.result;
    const bool is_read = operation_.kind == Operation::Kind::read;
    const bool is_transfer = is_read || operation_.kind == Operation::Kind::write;
    // A transfer of 0 bytes is the end of an image that has become shorter than
    // the disk that the guest sees: an error, for zeroes would pass for data.
    if (result == -EINTR) {
        // Once more, the same.
    } else if (result < 0 || (result == 0 && operation_.length != 0)) {
        outcome_ = Outcome::backend_error;
        error_ = result < 0 ? static_cast<int>(-result) : EIO;
    } else {
        const auto done = std::min(static_cast<std::uint64_t>(result), left_);
        if (is_read && bounce_) {
            writer_->write(std::span(bounce_.get(), done));
        } else if (is_read) {
            writer_->skip(done);
        } else if (is_transfer) {
            reader_->skip(done);
        }
        left_ -= done;
        operation_.offset += done;
    }
    bounces.give_back(std::move(bounce_));
}

void Request::finish() {
    if (const auto status = guest_status(outcome_)) {
        // What the request did not fill holds zeroes, so that the length told
        // to the driver, which counts from the first byte, is true for a failed
        // read too (virtio 1.2, 2.7.8.2).
        writer_->fill_zero(writer_->remaining() - 1);
        const auto byte = static_cast<std::byte>(*status);
        writer_->write(std::span(&byte, 1));
        chain_->set_written(writable_);
    }
    reader_.reset();
    writer_.reset();
    chain_.reset();
}

} // namespace hvisor::devices::block
