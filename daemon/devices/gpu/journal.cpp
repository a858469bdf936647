// SPDX-License-Identifier: Apache-2.0
#include "devices/gpu/journal.hpp"

#include "devices/gpu/journal_digest.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace hvisor::devices::gpu {
namespace {

constexpr std::size_t alignment = 8;
static_assert(JournalArea::capacity % alignment == 0);

/// After it was made room for a command so much is left, in parts of all: else each of the
/// next ones would have everything copied.
constexpr std::size_t spare_part = 8;

constexpr std::size_t aligned(std::size_t size) {
    return (size + alignment - 1) / alignment * alignment;
}

/// The structure that a command of this type begins with, behind its header; 0: it is not kept.
constexpr std::size_t structure_size(Command type) {
    switch (type) {
    case Command::resource_create_2d:
        return sizeof(ResourceCreate2d);
    case Command::resource_create_blob:
        return sizeof(ResourceCreateBlob);
    case Command::resource_attach_backing:
        return sizeof(AttachBacking);
    case Command::resource_detach_backing:
    case Command::resource_unref:
    case Command::resource_assign_uuid:
        return sizeof(ResourceOnly);
    case Command::set_scanout:
        return sizeof(SetScanout);
    case Command::set_scanout_blob:
        return sizeof(SetScanoutBlob);
    default:
        return 0;
    }
}

/// So many bytes of MemoryEntry follow it.
std::uint64_t entries_size(Command type, std::span<const std::byte> structure) {
    std::uint32_t count = 0;
    switch (type) {
    case Command::resource_attach_backing:
        std::memcpy(&count, structure.data() + offsetof(AttachBacking, nr_entries), sizeof count);
        return std::uint64_t{count} * sizeof(MemoryEntry);
    case Command::resource_create_blob:
        std::memcpy(&count, structure.data() + offsetof(ResourceCreateBlob, nr_entries), sizeof count);
        return std::uint64_t{count} * sizeof(MemoryEntry);
    default:
        return 0;
    }
}

} // namespace

Journal::Journal(JournalState& state, std::size_t capacity)
    : state_(state), capacity_(std::min(capacity, JournalArea::capacity)) {}

bool Journal::keeps(Command type) {
    return structure_size(type) != 0;
}

void Journal::clear() {
    pending_.reset();
    done_ = 0;
    // In the one that does not count, as the other's `done` is a part of what is there.
    const auto other = (state_.end.get() & JournalState::area_bit) != 0 ? 0U : 1U;
    state_.areas.at(other).done = 0;
    point_to(other, 0);
    state_.is_lost.commit(0);
}

void Journal::point_to(std::size_t number, std::size_t used) {
    area_ = number;
    used_ = used;
    state_.end.commit(used | (number != 0 ? JournalState::area_bit : 0));
}

std::expected<void, std::string_view> Journal::resume(std::uint64_t newest) {
    if (is_lost()) {
        return std::unexpected("it had more resources than are remembered for another process");
    }
    const auto end = state_.end.get();
    area_ = end & JournalState::area_bit;
    used_ = end & ~JournalState::area_bit;
    done_ = area().done;
    if (used_ > capacity_ || used_ % alignment != 0 || !compact() || done_ > newest) {
        return std::unexpected("what another process has left of its commands makes no sense");
    }
    return {};
}

std::optional<Journal::Record> Journal::at(std::size_t place, std::size_t& next) const {
    Head head{};
    const auto bytes = std::span(area().records).first(used_).subspan(place);
    if (bytes.size() < sizeof head) {
        return std::nullopt;
    }
    std::memcpy(&head, bytes.data(), sizeof head);
    if (head.size % alignment != 0 || head.size > bytes.size() || head.size < sizeof head ||
        head.body_size > head.size - sizeof head) {
        return std::nullopt;
    }
    next = place + head.size;
    return Record{.type = static_cast<Command>(head.type),
                  .order = head.order,
                  .body = bytes.subspan(sizeof head, head.body_size)};
}

std::vector<Journal::Record> Journal::records() const {
    std::vector<Record> all;
    std::size_t next = 0;
    for (auto record = at(0, next); record; record = at(next, next)) {
        all.push_back(*record);
    }
    return all;
}

bool Journal::compact() {
    JournalDigest digest;
    for (std::size_t place = 0; place < used_;) {
        const auto here = place;
        const auto record = at(here, place);
        if (!record || !digest.take(record->type, record->body, here)) {
            return false;
        }
        done_ = std::max(done_, record->order);
    }
    const auto other = 1 - area_;
    auto& to = state_.areas.at(other);
    to.done = done_;
    std::size_t used = 0;
    for (const auto place : digest.places()) {
        std::size_t next = 0;
        static_cast<void>(at(place, next));
        std::memcpy(to.records.data() + used, area().records.data() + place, next - place);
        used += next - place;
    }
    point_to(other, used);
    return true;
}

bool Journal::make_room(std::size_t size) {
    const auto fits = [&](std::size_t spare) {
        return size <= capacity_ - std::min(capacity_, used_ + spare);
    };
    return fits(0) || (compact() && fits(capacity_ / spare_part));
}

std::optional<std::span<std::byte>> Journal::put(Command type, std::uint64_t order, virtio::Reader body) {
    pending_.reset();
    std::array<std::byte, std::max(sizeof(SetScanoutBlob), sizeof(ResourceCreateBlob))> structure{};
    const auto begin =
        std::span(structure).first(body.read(std::span(structure).first(structure_size(type))));
    // One that is shorter than it says is kept as it is, to be refused.
    const auto entries =
        static_cast<std::size_t>(std::min<std::uint64_t>(entries_size(type, structure), body.remaining()));
    const bool has_answer = type == Command::resource_assign_uuid && begin.size() == sizeof(ResourceOnly);
    const auto answer = has_answer ? sizeof(ResourceUuid) : 0;
    const auto body_size = begin.size() + entries + answer;
    if (is_lost() || body_size > capacity_ || !make_room(sizeof(Head) + aligned(body_size))) {
        return std::nullopt;
    }
    const Head head{.size = static_cast<std::uint32_t>(sizeof(Head) + aligned(body_size)),
                    .type = std::to_underlying(type),
                    .order = order,
                    .body_size = static_cast<std::uint32_t>(body_size),
                    .reserved = 0};
    const auto record = std::span(area().records).subspan(used_, head.size);
    std::memcpy(record.data(), &head, sizeof head);
    const auto kept = record.subspan(sizeof head, body_size);
    std::ranges::copy(begin, kept.begin());
    body.read(kept.subspan(begin.size(), entries));
    pending_ = {.size = head.size, .order = order};
    return kept;
}

void Journal::commit() {
    if (const auto put = std::exchange(pending_, std::nullopt)) {
        point_to(area_, used_ + put->size);
        done_ = put->order;
    } else {
        state_.is_lost.commit(1);
    }
}

} // namespace hvisor::devices::gpu
