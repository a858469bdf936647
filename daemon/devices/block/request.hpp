// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "devices/block/backend_file.hpp"
#include "devices/block/config.hpp"
#include "virtio/chain.hpp"

#include <cstdint>
#include <optional>
#include <string_view>
#include <sys/uio.h>
#include <vector>

namespace hvisor::devices::block {

/// What became of one request.
enum class Outcome {
    done,
    unsupported,   ///< a type this device does not know
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

/// Carries out requests, one at a time. It looks at each guest byte once.
class RequestHandler {
  public:
    explicit RequestHandler(const FileBackend& backend) : backend_(backend) {}

    /// Do the request in `chain`, and write its status. `durable_writes`: the
    /// driver has no FLUSH, so every write is on stable storage when it ends.
    [[nodiscard]] Outcome handle(virtio::Chain& chain, bool durable_writes);

    /// The request that was handled last; for messages.
    [[nodiscard]] const RequestHeader& header() const { return header_; }
    [[nodiscard]] int backend_error() const { return backend_error_; }

  private:
    [[nodiscard]] Outcome run(virtio::Reader& reader, virtio::Writer& data, bool durable_writes);
    [[nodiscard]] Outcome read(virtio::Writer& data);
    [[nodiscard]] Outcome write(virtio::Reader& data, bool durable);
    [[nodiscard]] Outcome get_id(virtio::Writer& data) const;
    [[nodiscard]] std::optional<std::uint64_t> offset_of(std::uint64_t length) const;

    const FileBackend& backend_;
    RequestHeader header_{};
    int backend_error_ = 0;
    std::vector<iovec> pieces_; ///< kept, so that no request allocates
};

} // namespace hvisor::devices::block
