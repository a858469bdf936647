// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "guest/guest_memory.hpp"
#include "guest/guest_span.hpp"
#include "virtio/queue_fault.hpp"

#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>
#include <vector>

namespace hvisor::virtio {

/// The buffers of one descriptor chain.
struct ChainBuffers {
    std::vector<guest::GuestSpan> readable; ///< device-readable, in order
    std::vector<guest::GuestSpan> writable; ///< device-writable, in order

    void clear() {
        readable.clear();
        writable.clear();
    }
};

/// Bits of a descriptor's flags (virtio 1.2, 2.7.5 and 2.8.9).
inline constexpr std::uint16_t desc_next = 1;
inline constexpr std::uint16_t desc_write = 2;
inline constexpr std::uint16_t desc_indirect = 4;

/// Judges the descriptors of one chain, whichever ring they come from, and
/// translates their addresses.
class ChainCollector {
  public:
    ChainCollector(const guest::GuestMemory& memory, ChainBuffers& buffers)
        : memory_(memory), buffers_(buffers) {}

    [[nodiscard]] std::expected<void, QueueFault> add(std::uint64_t address, std::uint32_t length,
                                                      bool writable);

    static constexpr std::size_t descriptor_size = 16;
    /// Longer indirect tables than any driver builds; also the kernel's limit for one readv().
    static constexpr std::uint32_t max_indirect = 1024;

    /// The bytes of an indirect table, copied once into `table`.
    template <class Descriptor>
    [[nodiscard]] std::expected<void, QueueFault> copy_table(std::uint64_t address, std::uint32_t length,
                                                             std::vector<Descriptor>& table) {
        static_assert(sizeof(Descriptor) == descriptor_size);
        const auto count = length / descriptor_size;
        if (length % descriptor_size != 0 || count == 0 || count > max_indirect) {
            return std::unexpected(QueueFault::indirect);
        }
        const auto bytes = memory_.translate(address, length);
        if (!bytes) {
            return std::unexpected(QueueFault::memory);
        }
        table.resize(count);
        bytes->read(0, std::as_writable_bytes(std::span(table)));
        return {};
    }

  private:
    const guest::GuestMemory& memory_;
    ChainBuffers& buffers_;
    std::uint64_t total_ = 0;
};

} // namespace hvisor::virtio
