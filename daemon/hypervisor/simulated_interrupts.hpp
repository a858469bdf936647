// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstdint>

namespace hvisor::hypervisor {

/// The interrupts of one simulated zone, as an interrupt controller keeps
/// them: pending until a CPU takes one, active until its handler ends. Any
/// thread, without locks: a CPU may look as often as it likes.
class SimulatedInterrupts {
  public:
    static constexpr std::uint32_t count = 1024;

    /// Make it pending. With `lose_active` one whose handler runs gets lost:
    /// false, as in hvisor v0.4 (hvisor interface, 2.3).
    bool raise(std::uint32_t interrupt, bool lose_active) {
        auto& word = words_.at(interrupt / per_word);
        auto now = word.load();
        do {
            if (lose_active && (now & active(interrupt)) != 0) {
                return false;
            }
        } while (!word.compare_exchange_weak(now, now | pending(interrupt)));
        return true;
    }

    /// From pending to active; false when it is not pending.
    bool take(std::uint32_t interrupt) {
        if (interrupt >= count) {
            return false;
        }
        auto& word = words_.at(interrupt / per_word);
        auto now = word.load();
        do {
            if ((now & pending(interrupt)) == 0) {
                return false;
            }
        } while (!word.compare_exchange_weak(now, (now & ~pending(interrupt)) | active(interrupt)));
        return true;
    }

    /// The lowest one that is pending; 0 when none is.
    std::uint32_t take_any() {
        for (std::uint32_t first = 0; first < count; first += per_word) {
            const auto now = words_.at(first / per_word).load();
            for (auto waiting = static_cast<std::uint32_t>(now); waiting != 0; waiting &= waiting - 1) {
                const auto interrupt = first + static_cast<std::uint32_t>(std::countr_zero(waiting));
                if (take(interrupt)) {
                    return interrupt;
                }
            }
        }
        return 0;
    }

    void end(std::uint32_t interrupt) {
        if (interrupt < count) {
            words_.at(interrupt / per_word).fetch_and(~active(interrupt));
        }
    }

    void clear() {
        for (auto& word : words_) {
            word.store(0);
        }
    }

  private:
    // Both states in one word, so that a change of them is one step.
    static constexpr std::uint32_t per_word = 32;
    static constexpr std::uint64_t pending(std::uint32_t interrupt) {
        return std::uint64_t{1} << interrupt % per_word;
    }
    static constexpr std::uint64_t active(std::uint32_t interrupt) { return pending(interrupt) << per_word; }

    std::array<std::atomic<std::uint64_t>, count / per_word> words_{};
};

} // namespace hvisor::hypervisor
