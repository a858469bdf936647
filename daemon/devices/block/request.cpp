// SPDX-License-Identifier: Apache-2.0
#include "devices/block/request.hpp"

#include "base/checked.hpp"

#include <algorithm>
#include <array>
#include <span>

namespace hvisor::devices::block {

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

Outcome RequestHandler::handle(virtio::Chain& chain, bool durable_writes) {
    auto reader = chain.reader();
    auto writer = chain.writer();
    const auto writable = writer.remaining();
    header_ = {};
    // virtio 1.2, 5.2.6: the status is the last byte of all.
    if (writable == 0) {
        return Outcome::no_status;
    }
    const auto outcome = run(reader, writer, durable_writes);
    // What the request did not fill holds zeroes, so that the length told to
    // the driver, which counts from the first byte, is true for a failed read
    // too (virtio 1.2, 2.7.8.2).
    writer.fill_zero(writer.remaining() - 1);
    const auto status = static_cast<std::byte>(*guest_status(outcome));
    writer.write(std::span(&status, 1));
    chain.set_written(writable);
    return outcome;
}

Outcome RequestHandler::run(virtio::Reader& reader, virtio::Writer& data, bool durable_writes) {
    const auto header = reader.read<RequestHeader>();
    if (!header) {
        return Outcome::too_short;
    }
    header_ = *header;
    switch (static_cast<RequestType>(header_.type)) {
    case RequestType::in:
        return read(data);
    case RequestType::out:
        return write(reader, durable_writes);
    case RequestType::flush:
        backend_error_ = backend_.flush();
        return backend_error_ == 0 ? Outcome::done : Outcome::backend_error;
    case RequestType::get_id:
        return get_id(data);
    }
    return Outcome::unsupported;
}

std::optional<std::uint64_t> RequestHandler::offset_of(std::uint64_t length) const {
    const auto offset = checked_mul(header_.sector, sector_size);
    const auto capacity = backend_.size() / sector_size * sector_size;
    if (!offset || length % sector_size != 0 || !range_inside(*offset, length, 0, capacity)) {
        return std::nullopt;
    }
    return offset;
}

Outcome RequestHandler::read(virtio::Writer& data) {
    const auto length = data.remaining() - 1; // the status is not data
    const auto offset = offset_of(length);
    if (!offset) {
        return Outcome::out_of_range;
    }
    pieces_.clear();
    data.peek(length, pieces_);
    backend_error_ = backend_.read(*offset, pieces_);
    if (backend_error_ != 0) {
        return Outcome::backend_error;
    }
    data.skip(length);
    return Outcome::done;
}

Outcome RequestHandler::write(virtio::Reader& data, bool durable) {
    const auto length = data.remaining();
    // virtio 1.2, 5.2.6.2: a write to a read-only device fails and changes nothing.
    if (backend_.read_only()) {
        return Outcome::read_only;
    }
    const auto offset = offset_of(length);
    if (!offset) {
        return Outcome::out_of_range;
    }
    pieces_.clear();
    data.peek(length, pieces_);
    backend_error_ = backend_.write(*offset, pieces_, durable);
    if (backend_error_ != 0) {
        return Outcome::backend_error;
    }
    return Outcome::done;
}

Outcome RequestHandler::get_id(virtio::Writer& data) const {
    if (data.remaining() - 1 < serial_size) {
        return Outcome::too_short;
    }
    // virtio 1.2, 5.2.6.1: 20 bytes, the end filled with NUL.
    std::array<char, serial_size> serial{};
    std::ranges::copy_n(backend_.serial().begin(),
                        static_cast<std::ptrdiff_t>(std::min(backend_.serial().size(), serial.size())),
                        serial.begin());
    data.write(std::as_bytes(std::span(serial)));
    return Outcome::done;
}

} // namespace hvisor::devices::block
