// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "devices/gpu/config.hpp"
#include "devices/gpu/state.hpp"
#include "virtio/chain.hpp"

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace hvisor::devices::gpu {

/// Of assign_uuid, with what it was answered.
struct AssignedUuid {
    ResourceOnly command;
    ResourceUuid answer;
};
static_assert(sizeof(AssignedUuid) == sizeof(ResourceOnly) + sizeof(ResourceUuid));

/// The commands whose effect outlasts them, as they were accepted, in memory that
/// outlives the process. Whoever carries them out once more is where the driver is:
/// but for pixels, which are in the guest's memory, and cursors (KeptScanout).
///
/// A process that is killed has committed a command, or it has not. When an area is
/// full, what is still of use goes to the other one, which counts from one store on.
class Journal {
  public:
    /// One command. Its bytes were judged when a driver sent them; those that another
    /// process has left were not.
    struct Record {
        Command type{};
        std::uint64_t order = 0; ///< virtio::Chain::order()
        std::span<std::byte> body;
    };

    /// `capacity`, in bytes, is at most JournalArea::capacity.
    Journal(JournalState& state, std::size_t capacity);

    /// Whether a command of that type is kept.
    [[nodiscard]] static bool keeps(Command type);

    /// Nothing has happened: a driver begins.
    void clear();
    /// Go on with what another process has left; `newest` is the order of the chain that was taken
    /// last. Or why that cannot be.
    [[nodiscard]] std::expected<void, std::string_view> resume(std::uint64_t newest);

    /// Copy a command of a type that is kept, without its header, to where it will be
    /// when commit() comes; otherwise nothing has happened. Nothing when there is no
    /// room for it. Valid until the next call; of AssignedUuid the answer is to be filled in.
    [[nodiscard]] std::optional<std::span<std::byte>> put(Command type, std::uint64_t order,
                                                          virtio::Reader body);
    /// What was put last was carried out. If there was no room for it, all is lost: see resume().
    void commit();

    /// The order of the chain that was committed last: no earlier one has to be carried out again.
    [[nodiscard]] std::uint64_t done() const { return done_; }
    /// For a driver that has more than fits.
    [[nodiscard]] bool is_lost() const { return state_.is_lost.get() != 0; }

    /// All there are, after resume(): resources before what shows them.
    [[nodiscard]] std::vector<Record> records() const;

  private:
    struct Head {
        std::uint32_t size; ///< of the record, a multiple of 8
        std::uint32_t type;
        std::uint64_t order;
        std::uint32_t body_size;
        std::uint32_t reserved;
    };
    struct Pending {
        std::size_t size;
        std::uint64_t order;
    };

    [[nodiscard]] JournalArea& area() const { return state_.areas.at(area_); }
    /// The record at this place, if there can be one.
    [[nodiscard]] std::optional<Record> at(std::size_t place, std::size_t& next) const;
    [[nodiscard]] bool make_room(std::size_t size);
    /// False when the records make no sense.
    [[nodiscard]] bool compact();
    void point_to(std::size_t number, std::size_t used);

    JournalState& state_;
    const std::size_t capacity_;
    std::size_t area_ = 0; ///< like used_, what state_.end says
    std::size_t used_ = 0;
    std::uint64_t done_ = 0;
    std::optional<Pending> pending_;
};

} // namespace hvisor::devices::gpu
