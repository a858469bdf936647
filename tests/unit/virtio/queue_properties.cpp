// SPDX-License-Identifier: Apache-2.0
#include "queue_rig.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <deque>
#include <optional>
#include <random>
#include <utility>
#include <vector>

using namespace hvisor;
using namespace hvisor::virtio;

// Long random runs of both sides against a model, the same ones every time.

namespace {

constexpr std::size_t small_ram = std::size_t{64} << 10;

/// What a driver made available, and what it is to find when it comes back.
struct Promise {
    std::uint16_t head = 0;
    std::size_t readable = 0;
    std::size_t writable = 0;
    std::uint16_t slots = 1; ///< entries it takes in a packed ring
};

struct Held {
    Chain chain;
    Promise promise;
    std::uint32_t written = 0;
    bool is_back = false;
};

class Model {
  public:
    Model(FeatureSet features, std::uint16_t size, std::uint32_t seed)
        : rig_(features, size, small_ram),
          random_(seed),
          is_packed_(features.has(FeatureBit::ring_packed)),
          has_events_(features.has(FeatureBit::ring_event_idx)),
          in_order_(features.has(FeatureBit::in_order)),
          indirect_(features.has(FeatureBit::ring_indirect_desc)),
          buffers_(rig_.ram.allocate(4096)),
          tables_(rig_.ram.allocate(table_size * size)) {}

    void step() {
        switch (below(9)) {
        case 0:
        case 1:
            add();
            break;
        case 2:
        case 3:
            pop();
            break;
        case 4:
            complete();
            break;
        case 5:
            pop_and_put_back();
            break;
        case 6:
            publish();
            break;
        case 7:
            rearm();
            break;
        default:
            take_used();
            break;
        }
        REQUIRE(rig_.queue.in_flight() == held_.size() - finished());
    }

    void finish() {
        while (!available_.empty()) {
            pop();
        }
        while (finished() < held_.size()) {
            complete();
        }
        publish();
        take_used();
        CHECK(seen_ == added_);
        CHECK(rig_.driver->free_descriptors() == rig_.driver->size());
        CHECK(seen_ > 20);
    }

  private:
    std::size_t below(std::size_t limit) { return random_() % limit; }
    [[nodiscard]] std::size_t finished() const {
        return static_cast<std::size_t>(std::ranges::count(held_, true, &Held::is_back));
    }

    void add() {
        const auto length = 1 + below(4);
        const bool in_table = indirect_ && below(3) == 0;
        if (rig_.driver->free_descriptors() < (in_table ? 1 : length)) {
            return;
        }
        Promise promise;
        std::vector<kit::Descriptor> chain;
        const auto readable = below(length + 1);
        for (std::size_t i = 0; i < length; ++i) {
            const auto size = below(40);
            chain.push_back({.address = buffers_ + below(4000),
                             .length = static_cast<std::uint32_t>(size),
                             .flags = i < readable ? std::uint16_t{0} : kit::desc_write,
                             .next = 0});
            (i < readable ? promise.readable : promise.writable) += size;
        }
        if (in_table) {
            // A table is read when its chain is popped, and chains are popped in order.
            const auto address = tables_ + table_size * (added_ % rig_.driver->size());
            rig_.driver->write_table(address, chain);
            chain = {{.address = address,
                      .length = static_cast<std::uint32_t>(sizeof(kit::Descriptor) * length),
                      .flags = kit::desc_indirect,
                      .next = 0}};
        }
        promise.slots = static_cast<std::uint16_t>(is_packed_ ? chain.size() : 1);
        promise.head = rig_.driver->add(chain);
        available_.push_back(promise);
        ++added_;
        // Whoever says that it wants to hear of the next one is notified of it;
        // whoever was told that there is something looks by itself.
        const bool wants = rig_.driver->needs_kick();
        REQUIRE((wants || !armed_));
        if (wants) {
            armed_ = false;
        }
    }

    void check(const Chain& chain, const Promise& promise) const {
        REQUIRE(chain.id() == promise.head);
        REQUIRE(chain.id() < rig_.driver->size());
        REQUIRE(chain.reader().remaining() == promise.readable);
        REQUIRE(chain.writer().remaining() == promise.writable);
    }

    void pop() {
        if (available_.empty()) {
            REQUIRE_FALSE(rig_.queue.has_available());
            REQUIRE(rig_.is_empty());
            return;
        }
        REQUIRE(rig_.queue.has_available());
        const auto before = everything();
        auto chain = rig_.pop();
        REQUIRE(everything() == before);
        check(chain, available_.front());
        held_.push_back({.chain = std::move(chain), .promise = available_.front()});
        available_.pop_front();
    }

    void pop_and_put_back() {
        if (available_.empty()) {
            return;
        }
        const auto memory = everything();
        const auto before = indices();
        auto chain = rig_.pop();
        check(chain, available_.front());
        chain.put_back();
        REQUIRE(indices() == before);
        REQUIRE(everything() == memory);
    }

    void complete() {
        std::vector<std::size_t> out;
        for (std::size_t i = 0; i < held_.size(); ++i) {
            if (!held_[i].is_back) {
                out.push_back(i);
            }
        }
        if (out.empty()) {
            return;
        }
        auto& held = held_[out[below(out.size())]];
        held.written = static_cast<std::uint32_t>(below(100));
        held.is_back = true;
        const auto before = everything();
        held.chain.set_written(held.written);
        held.chain.complete();
        check_elements_written(before);
    }

    /// Of all guest memory only used elements change, one for each chain that
    /// goes back now, and nothing yet that lets the driver see them.
    void check_elements_written(const std::vector<std::byte>& before) {
        const auto newly = collect_finished();
        auto expected = before;
        for (const auto& [promise, written] : newly) {
            const auto place = element_place();
            const auto after = everything();
            // 8 bytes of a split ring's element, or length, id and flags of a descriptor.
            std::copy_n(after.begin() + place, 8, expected.begin() + place);
            if (is_packed_ && unpublished_ == 0) {
                // The flags of the first of a batch are held back.
                const auto flags = static_cast<std::size_t>(place) + 6;
                REQUIRE(after[flags] == before[flags]);
                REQUIRE(after[flags + 1] == before[flags + 1]);
            }
            used_slots_ += promise.slots;
            ++unpublished_;
            back_.emplace_back(promise, written);
        }
        REQUIRE(everything() == expected);
    }

    /// What was held and goes back now, in the order in which the driver finds it.
    std::vector<std::pair<Promise, std::uint32_t>> collect_finished() {
        std::vector<std::pair<Promise, std::uint32_t>> result;
        for (auto next = held_.begin(); next != held_.end();) {
            if (next->is_back) {
                result.emplace_back(next->promise, next->written);
                next = held_.erase(next);
            } else if (in_order_) {
                break;
            } else {
                ++next;
            }
        }
        return result;
    }

    /// Where in guest memory the next used element is.
    [[nodiscard]] std::ptrdiff_t element_place() const {
        const auto& driver = *rig_.driver;
        const auto address = is_packed_ ? driver.descriptors() + 16 * (used_slots_ % driver.size()) + 8
                                        : driver.device_area() + 4 + 8 * (used_slots_ % driver.size());
        return static_cast<std::ptrdiff_t>(address - rig_.ram.address());
    }

    void publish() {
        // The driver's wish, in entries counted without end.
        std::optional<std::uint64_t> wish;
        const auto choice = below(has_events_ ? 6 : 2);
        if (choice < 2) {
            rig_.driver->want_interrupts(choice == 0);
            if (has_events_ && !is_packed_ && choice == 0) {
                wish = taken_slots_;
            }
        } else {
            const auto ahead = below(rig_.driver->size());
            rig_.driver->want_interrupt_at(static_cast<std::uint16_t>(ahead));
            wish = taken_slots_ + ahead;
        }
        const auto before = everything();
        const bool published = rig_.queue.publish(Queue::Clock::now());
        check_only_the_index_changed(before);
        bool expected = used_slots_ != signalled_;
        if (wish) {
            expected = *wish >= signalled_ && *wish < used_slots_;
        } else if (choice == 1) {
            expected = false;
        }
        REQUIRE(rig_.queue.take_interrupt_request() == expected);
        REQUIRE((published || unpublished_ == 0));
        signalled_ = used_slots_;
        shown_ += unpublished_;
        unpublished_ = 0;
    }

    void check_only_the_index_changed(const std::vector<std::byte>& before) const {
        const auto after = everything();
        std::size_t changed = 0;
        for (std::size_t i = 0; i < after.size(); ++i) {
            changed += after[i] != before[i] ? 1U : 0U;
        }
        // Two bytes: the used index, or the flags of the first of the batch.
        REQUIRE(changed <= 2);
        REQUIRE((changed > 0) == (unpublished_ > 0));
    }

    void rearm() {
        if (below(2) == 0) {
            rig_.queue.disable_notifications();
            armed_ = false;
            return;
        }
        const bool look_again = rig_.queue.enable_notifications();
        REQUIRE(look_again == !available_.empty());
        armed_ = !look_again;
    }

    void take_used() {
        for (; shown_ > 0; --shown_) {
            const auto used = rig_.driver->take_used();
            REQUIRE(used);
            const auto [promise, written] = back_.front();
            back_.pop_front();
            REQUIRE(used->head == promise.head);
            REQUIRE(used->length == written);
            taken_slots_ += promise.slots;
            ++seen_;
        }
        REQUIRE_FALSE(rig_.driver->take_used());
    }

    [[nodiscard]] std::vector<std::byte> everything() const {
        return rig_.ram.read(rig_.ram.address(), used_ram);
    }
    [[nodiscard]] std::array<std::size_t, 3> indices() const {
        return {rig_.state.indices.next_avail(), rig_.state.indices.next_used(), rig_.queue.in_flight()};
    }

    static constexpr std::size_t used_ram = 8192;
    static constexpr std::size_t table_size = 4 * sizeof(kit::Descriptor);

    QueueRig rig_;
    std::mt19937 random_;
    bool is_packed_, has_events_, in_order_, indirect_;
    std::uint64_t buffers_, tables_;
    std::deque<Promise> available_;
    std::vector<Held> held_; ///< in the order popped
    std::deque<std::pair<Promise, std::uint32_t>> back_;
    std::size_t unpublished_ = 0;
    std::size_t shown_ = 0;
    std::size_t added_ = 0;
    std::size_t seen_ = 0;
    std::uint64_t used_slots_ = 0, taken_slots_ = 0, signalled_ = 0;
    bool armed_ = false; ///< the device sleeps until it is notified
};

/// Ring memory that is mostly right, so that more than its first entry counts.
void scribble(QueueRig& rig, std::mt19937& random) {
    auto& ram = rig.ram;
    const auto size = rig.driver->size();
    const bool is_packed = rig.driver->device_area() - rig.driver->driver_area() == 4;
    for (std::uint16_t i = 0; i < size; ++i) {
        const bool is_bad = random() % 200 == 0;
        const auto at = rig.driver->descriptors() + std::uint64_t{16} * i;
        ram.store<std::uint64_t>(at, is_bad ? random() : ram.address() + random() % small_ram);
        ram.store<std::uint32_t>(at + 8, static_cast<std::uint32_t>(is_bad ? random() : random() % 600));
        // Split: flags, then next; packed: id, then flags.
        const auto flags = static_cast<std::uint16_t>(is_bad ? random() : random() % 4);
        if (is_packed) {
            ram.store<std::uint16_t>(at + 12, static_cast<std::uint16_t>(random()));
            ram.store<std::uint16_t>(
                at + 14,
                static_cast<std::uint16_t>(flags ^ (random() % 8 == 0 ? kit::desc_used : kit::desc_avail)));
        } else {
            ram.store<std::uint16_t>(at + 12, flags);
            ram.store<std::uint16_t>(at + 14,
                                     static_cast<std::uint16_t>(is_bad ? random() : random() % size));
            ram.store<std::uint16_t>(rig.driver->driver_area() + 4 + std::uint64_t{2} * i,
                                     static_cast<std::uint16_t>(is_bad ? random() : random() % size));
        }
    }
    const auto wish = static_cast<std::uint32_t>(random());
    if (is_packed) {
        ram.store<std::uint32_t>(rig.driver->driver_area(), wish);
    } else {
        ram.store<std::uint16_t>(rig.driver->driver_area(), static_cast<std::uint16_t>(wish % 2));
        ram.store<std::uint16_t>(
            rig.driver->driver_area() + 2,
            static_cast<std::uint16_t>(rig.state.indices.next_avail() + random() % (size + 2U)));
        ram.store<std::uint16_t>(rig.driver->driver_area() + 4 + std::uint64_t{2} * size,
                                 static_cast<std::uint16_t>(wish));
    }
}

void check_inside(const QueueRig& rig, const BufferCursor& cursor) {
    std::vector<iovec> pieces;
    cursor.peek(cursor.remaining(), pieces);
    const auto* begin = rig.ram.at(rig.ram.address());
    for (const auto& piece : pieces) {
        const auto* data = static_cast<const std::byte*>(piece.iov_base);
        REQUIRE(data >= begin);
        REQUIRE(data + piece.iov_len <= begin + small_ram);
    }
}

} // namespace

TEST_CASE("any run of driver and device agrees with the model") {
    const auto ring =
        GENERATE(plain, event_idx, kit::split_features, plain | in_order, kit::split_features | in_order,
                 plain | packed, event_idx | packed, kit::packed_features, plain | packed | in_order,
                 kit::packed_features | in_order);
    const auto size = GENERATE(std::uint16_t{1}, std::uint16_t{2}, std::uint16_t{3}, std::uint16_t{7},
                               std::uint16_t{8}, std::uint16_t{16});
    if (!ring.has(FeatureBit::ring_packed) && !std::has_single_bit(size)) {
        return;
    }
    const auto seed = GENERATE(range(1U, 4U));
    CAPTURE(ring.bits(), size, seed);
    Model model(ring, size, seed);
    for (int i = 0; i < 1500; ++i) {
        model.step();
    }
    model.finish();
}

TEST_CASE("whatever is in the rings, a chain lies inside guest memory and its name inside the ring, or there "
          "is a fault") {
    const auto ring = GENERATE(kit::split_features, kit::packed_features, kit::packed_features | in_order,
                               kit::split_features | in_order);
    unsigned popped = 0;
    unsigned faults = 0;
    for (std::uint32_t seed = 1; seed <= 300; ++seed) {
        std::mt19937 random(seed);
        QueueRig rig(ring, 8, small_ram);
        std::vector<Chain> held;
        for (int round = 0; round < 20; ++round) {
            scribble(rig, random);
            auto chain = rig.queue.pop();
            if (!chain) {
                // Nobody touches the queue any more.
                ++faults;
                break;
            }
            if (*chain) {
                ++popped;
                REQUIRE((ring.has(FeatureBit::ring_packed) || (*chain)->id() < 8));
                check_inside(rig, (*chain)->reader());
                check_inside(rig, (*chain)->writer());
                held.push_back(std::move(**chain));
            }
            REQUIRE(rig.queue.in_flight() <= 8);
            if (!held.empty() && random() % 2 == 0) {
                held.erase(held.begin() + static_cast<std::ptrdiff_t>(random() % held.size()));
            }
            rig.publish();
            static_cast<void>(rig.queue.take_interrupt_request());
            static_cast<void>(rig.queue.driver_is_behind());
            static_cast<void>(rig.queue.enable_notifications());
            rig.queue.disable_notifications();
        }
    }
    // Both happened often, or this proves little.
    CHECK(popped > 300);
    CHECK(faults > 100);
}
