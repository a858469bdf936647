// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kit/ram.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace hvisor::kit {

inline constexpr std::uint16_t desc_next = 1;
inline constexpr std::uint16_t desc_write = 2;
inline constexpr std::uint16_t desc_indirect = 4;

/// One buffer of a chain; its bytes are also those of a split queue's descriptor.
struct Descriptor {
    std::uint64_t address = 0;
    std::uint32_t length = 0;
    std::uint16_t flags = 0;
    std::uint16_t next = 0;
};
static_assert(sizeof(Descriptor) == 16);

/// The driver's side of a virtqueue, whichever its ring: what a good driver does.
class DriverQueue {
  public:
    struct Used {
        std::uint16_t head; ///< what add() returned
        std::uint32_t length;
    };

    virtual ~DriverQueue() = default;

    [[nodiscard]] std::uint16_t size() const { return size_; }
    [[nodiscard]] std::uint64_t descriptors() const { return descriptors_; }
    /// The part that the driver writes, and the one that the device writes
    /// (virtio 1.2, 2.6).
    [[nodiscard]] std::uint64_t driver_area() const { return driver_area_; }
    [[nodiscard]] std::uint64_t device_area() const { return device_area_; }
    [[nodiscard]] Ram& ram() { return *ram_; }

    /// Forget everything, as after a device reset.
    virtual void reset() = 0;

    /// Make a chain available; returns its name.
    virtual std::uint16_t add(std::span<const Descriptor> chain) = 0;
    /// The next chain that came back, its descriptors free again.
    virtual std::optional<Used> take_used() = 0;
    [[nodiscard]] virtual bool has_used() const = 0;
    /// Whether the device wants to be notified of what was made available
    /// since this was asked last.
    [[nodiscard]] virtual bool needs_kick() = 0;
    [[nodiscard]] virtual std::size_t free_descriptors() const = 0;

    /// Ask for an interrupt for everything that comes back, or for nothing.
    virtual void want_interrupts(bool wanted) = 0;
    /// With EVENT_IDX: ask for one when the entry is used that lies `ahead`
    /// behind the next one; entries are chains of a split ring, descriptors of
    /// a packed one.
    virtual void want_interrupt_at(std::uint16_t ahead) = 0;

    /// An indirect table of these buffers, at `address` or in fresh memory.
    virtual void write_table(std::uint64_t address, std::span<const Descriptor> table) = 0;
    std::uint64_t store_table(std::span<const Descriptor> table) {
        const auto address = ram_->allocate(table.size_bytes());
        write_table(address, table);
        return address;
    }

  protected:
    DriverQueue(Ram& ram, std::uint16_t size, bool event_idx, std::size_t driver_area,
                std::size_t device_area)
        : ram_(&ram),
          size_(size),
          event_idx_(event_idx),
          descriptors_(ram.allocate(std::size_t{16} * size, 16)),
          driver_area_(ram.allocate(driver_area, 4)),
          device_area_(ram.allocate(device_area, 4)) {}
    DriverQueue(const DriverQueue&) = default;
    DriverQueue& operator=(const DriverQueue&) = default;
    DriverQueue(DriverQueue&&) = default;
    DriverQueue& operator=(DriverQueue&&) = default;

    [[nodiscard]] const Ram& memory() const { return *ram_; }
    [[nodiscard]] bool event_idx() const { return event_idx_; }

  private:
    Ram* ram_;
    std::uint16_t size_;
    bool event_idx_;
    std::uint64_t descriptors_;
    std::uint64_t driver_area_;
    std::uint64_t device_area_;
};

/// Builds a chain piece by piece:
///
///     auto chain = ChainBuilder(queue).readable(header).writable(512).writable(1);
///     auto head = chain.add();
///     … chain.written(0) …
class ChainBuilder {
  public:
    explicit ChainBuilder(DriverQueue& queue) : queue_(queue) {}

    ChainBuilder& readable(std::span<const std::byte> bytes) {
        return at(queue_.ram().store_bytes(bytes), static_cast<std::uint32_t>(bytes.size()), 0);
    }
    template <class T>
    ChainBuilder& readable_value(const T& value) {
        return readable(std::as_bytes(std::span(&value, 1)));
    }
    ChainBuilder& readable(std::string_view text) { return readable(std::as_bytes(std::span(text))); }
    /// Filled with 0xee, which no device writes by accident.
    ChainBuilder& writable(std::uint32_t length) {
        const auto address = queue_.ram().allocate(length);
        queue_.ram().write(address, std::vector(length, std::byte{0xee}));
        writable_.emplace_back(address, length);
        return at(address, length, desc_write);
    }
    /// A descriptor with any address.
    ChainBuilder& at(std::uint64_t address, std::uint32_t length, std::uint16_t flags) {
        chain_.push_back({.address = address, .length = length, .flags = flags, .next = 0});
        return *this;
    }
    /// Put what there is so far into an indirect table.
    ChainBuilder& indirect() {
        const auto size = static_cast<std::uint32_t>(chain_.size() * sizeof(Descriptor));
        const auto table = queue_.store_table(chain_);
        chain_.clear();
        return at(table, size, desc_indirect);
    }

    std::uint16_t add() { return queue_.add(chain_); }

    /// What is in the nth writable buffer now.
    [[nodiscard]] std::vector<std::byte> written(std::size_t n) const {
        return queue_.ram().read(writable_.at(n).first, writable_.at(n).second);
    }

  private:
    DriverQueue& queue_;
    std::vector<Descriptor> chain_;
    std::vector<std::pair<std::uint64_t, std::uint32_t>> writable_;
};

} // namespace hvisor::kit
