// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <initializer_list>

namespace hvisor::virtio {

/// The number of a feature bit. A device type's own bits are constants of its
/// folder: `inline constexpr auto f_flush = FeatureBit{9}`. A number is not a
/// mask and does not become one by accident.
enum class FeatureBit : std::uint8_t {
    ring_indirect_desc = 28,
    ring_event_idx = 29,
    version_1 = 32,
    ring_packed = 34,
    in_order = 35,
    ring_reset = 40,
};

/// A set of feature bits (virtio 1.2, 2.2).
class FeatureSet {
  public:
    constexpr FeatureSet() = default;
    constexpr FeatureSet(std::initializer_list<FeatureBit> bits) {
        for (const auto bit : bits) {
            bits_ |= std::uint64_t{1} << static_cast<unsigned>(bit);
        }
    }
    [[nodiscard]] static constexpr FeatureSet from_bits(std::uint64_t bits) {
        FeatureSet set;
        set.bits_ = bits;
        return set;
    }

    [[nodiscard]] constexpr std::uint64_t bits() const { return bits_; }
    [[nodiscard]] constexpr bool has(FeatureBit bit) const {
        return (bits_ >> static_cast<unsigned>(bit) & 1) != 0;
    }
    [[nodiscard]] constexpr bool is_subset_of(FeatureSet other) const { return (bits_ & ~other.bits_) == 0; }
    [[nodiscard]] constexpr FeatureSet operator|(FeatureSet other) const {
        return from_bits(bits_ | other.bits_);
    }
    [[nodiscard]] constexpr FeatureSet without(FeatureSet other) const {
        return from_bits(bits_ & ~other.bits_);
    }
    [[nodiscard]] constexpr bool operator==(const FeatureSet&) const = default;

    /// The 32 bits that a features register shows for a selector; beyond 1 there are none.
    [[nodiscard]] constexpr std::uint32_t word(std::uint32_t selector) const {
        return selector > 1 ? 0 : static_cast<std::uint32_t>(bits_ >> (32 * selector));
    }
    constexpr void set_word(std::uint32_t selector, std::uint32_t value) {
        if (selector <= 1) {
            const auto shift = 32 * selector;
            bits_ = (bits_ & ~(std::uint64_t{UINT32_MAX} << shift)) | std::uint64_t{value} << shift;
        }
    }

  private:
    std::uint64_t bits_ = 0;
};

/// What the transport and the queues offer for every device. IN_ORDER, which
/// they know too, is for device types to offer whose requests end in order
/// anyway: a disk's do not, and a slow one would hold up the others.
inline constexpr FeatureSet transport_features{FeatureBit::ring_indirect_desc, FeatureBit::ring_event_idx,
                                               FeatureBit::version_1, FeatureBit::ring_packed,
                                               FeatureBit::ring_reset};

} // namespace hvisor::virtio
