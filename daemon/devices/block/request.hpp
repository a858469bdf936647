// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "devices/block/backend_file.hpp"
#include "devices/block/bounce.hpp"
#include "devices/block/config.hpp"
#include "devices/block/operation.hpp"
#include "virtio/chain.hpp"

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace hvisor::devices::block {

/// What became of one request.
enum class Outcome {
    done,
    unsupported,   ///< a type, or a flag, that this device does not know
    too_short,     ///< no complete header, or a buffer that is too small
    out_of_range,  ///< beyond the capacity, or not whole sectors
    read_only,     ///< a write to a read-only disk
    backend_error, ///< the image's own error
    no_status,     ///< no byte for the status: nothing can be said to the driver
};

/// What the driver is told; nothing for no_status, which needs a reset.
[[nodiscard]] std::optional<RequestStatus> guest_status(Outcome outcome);
/// For the log: "beyond the end of the disk".
[[nodiscard]] std::string_view to_string(Outcome outcome);

/// What requests need to know of their disk.
struct DiskFacts {
    std::uint64_t capacity = 0; ///< bytes, whole sectors: what the driver was told
    bool read_only = false;
    bool discard = false;      ///< negotiated
    bool write_zeroes = false; ///< negotiated
    bool bounce = false;       ///< guest memory cannot be given to the image
    std::string_view serial;
};

/// One request of a driver (virtio 1.2, 5.2.6), from its chain to its status.
/// It looks at each guest byte once, and is carried out in one or more
/// operations, one after the other. It stays where it is while one is out.
class Request {
  public:
    Request() = default;
    Request(const Request&) = delete;
    Request& operator=(const Request&) = delete;
    Request(Request&&) = delete;
    Request& operator=(Request&&) = delete;
    ~Request() = default;

    /// Take the chain and judge it. `durable`: a write is on stable storage when it ends.
    void begin(std::size_t queue, virtio::Chain chain, const DiskFacts& disk, bool durable);

    /// The next operation, or null: finish() it.
    [[nodiscard]] Operation* next(BouncePool& bounces);
    /// The operation came back with its result.
    void take_result(BouncePool& bounces);

    /// Write the status, and give the chain back.
    void finish();

    [[nodiscard]] Outcome outcome() const { return outcome_; }
    [[nodiscard]] const RequestHeader& header() const { return header_; }
    [[nodiscard]] std::size_t queue() const { return queue_; }
    /// errno of the image, for messages.
    [[nodiscard]] int error() const { return error_; }
    /// Bytes to read or write, for counters and rate limits.
    [[nodiscard]] std::uint64_t payload() const { return payload_; }

  private:
    [[nodiscard]] Outcome parse(const DiskFacts& disk);
    [[nodiscard]] Outcome parse_transfer(const DiskFacts& disk, std::uint64_t length);
    [[nodiscard]] Outcome parse_ranges(const DiskFacts& disk, bool is_discard);
    [[nodiscard]] Outcome parse_get_id(const DiskFacts& disk);
    void prepare_transfer(BouncePool& bounces);

    struct Range {
        std::uint64_t offset;
        std::uint64_t length;
        bool may_unmap;
    };

    std::optional<virtio::Chain> chain_;
    std::size_t queue_ = 0;
    RequestHeader header_{};
    std::optional<virtio::Reader> reader_;
    std::optional<virtio::Writer> writer_;
    std::size_t writable_ = 0; ///< bytes, the status among them
    Outcome outcome_ = Outcome::done;
    int error_ = 0;
    std::uint64_t payload_ = 0;
    bool bounce_data_ = false;

    Operation operation_;
    std::uint64_t left_ = 0;    ///< bytes of the transfer, or of the range, that are not done
    std::vector<Range> ranges_; ///< still to do, the next one last
    BouncePool::Buffer bounce_;
};

} // namespace hvisor::devices::block
