// SPDX-License-Identifier: Apache-2.0
// A queue that goes on where another one was, with that one's state and memory.
#include "queue_rig.hpp"

#include <algorithm>
#include <array>
#include <random>

using namespace hvisor;
using namespace hvisor::virtio;

namespace {

constexpr FeatureSet kinds[] = {
    kit::split_features,  kit::split_features | event_idx, kit::split_features | in_order,
    kit::packed_features, kit::packed_features | in_order,
};

/// Another queue on the same ring, as in another process; the old one is still
/// there, because its chains are, and does nothing any more.
struct Continued {
    Continued(const QueueRig& rig, FeatureSet features, std::uint16_t size)
        : state(rig.state),
          queue(*QueueLayout::create({.size = size,
                                      .descriptors = rig.driver->descriptors(),
                                      .driver = rig.driver->driver_area(),
                                      .device = rig.driver->device_area()},
                                     size, features.has(FeatureBit::ring_packed), rig.memory),
                rig.memory, features, state, Queue::Start::continued) {}

    [[nodiscard]] Chain pop() {
        auto popped = queue.pop();
        REQUIRE(popped);
        REQUIRE(*popped);
        return std::move(**popped);
    }

    QueueState state;
    Queue queue;
};

/// A rig whose old queue never touches its memory again once this ends: what
/// its chains do when they are destroyed is undone.
struct Memory {
    explicit Memory(QueueRig& its_rig)
        : rig(its_rig), bytes(rig.ram.read(rig.ram.address(), rig.ram.size())) {}
    void restore() const { rig.ram.write(rig.ram.address(), bytes); }
    QueueRig& rig;
    std::vector<std::byte> bytes;
};

constexpr std::size_t ram_size = std::size_t{1} << 20;

} // namespace

TEST_CASE("a queue that is continued gives out again what was out, in its order, then what is new") {
    for (const auto features : kinds) {
        QueueRig rig(features, 16, ram_size);
        const auto a = rig.add(1);
        const auto b = rig.add(3);
        const auto c = rig.add(2);
        const auto d = rig.add(1);
        std::vector<Chain> old;
        for (int i = 0; i < 4; ++i) {
            old.push_back(rig.pop());
        }
        // The second comes back first: in a packed ring over the first one's descriptor.
        old.at(1).complete();
        rig.publish();
        const bool is_in_order = features.has(FeatureBit::in_order);
        if (!is_in_order) {
            CHECK(rig.driver->take_used()->head == b);
        }
        const auto e = rig.add(2);

        Continued next(rig, features, 16);
        const Memory memory(rig);
        const auto expect = [&](std::uint16_t name, std::size_t length) {
            CHECK(next.queue.has_available());
            auto chain = next.pop();
            CHECK(chain.id() == name);
            CHECK(chain.writer().remaining() == 4 * length);
            return chain;
        };
        auto first = expect(a, 1);
        // One that is put back comes again.
        first.put_back();
        first = expect(a, 1);
        std::vector<Chain> others;
        if (is_in_order) {
            others.push_back(expect(b, 3)); // it was back before its turn: nobody has seen that
        }
        others.push_back(expect(c, 2));
        others.push_back(expect(d, 1));
        others.push_back(expect(e, 2));
        CHECK_FALSE(next.queue.has_available());
        std::ranges::for_each(others, &Chain::complete);
        first.complete();
        CHECK(next.queue.publish(Queue::Clock::now()));
        std::vector<std::uint16_t> used;
        while (const auto one = rig.driver->take_used()) {
            used.push_back(one->head);
        }
        CHECK(used == (is_in_order ? std::vector{a, b, c, d, e} : std::vector{c, d, e, a}));
        CHECK(rig.driver->free_descriptors() == 16);
        memory.restore();
    }
}

TEST_CASE("a queue that is continued again and again loses no chain and gives none back twice") {
    for (const auto features : kinds) {
        constexpr std::uint16_t size = 8;
        QueueRig rig(features, size, ram_size);
        std::mt19937 random(1);
        auto current = std::make_unique<Continued>(rig, features, size);
        std::vector<Chain> out;
        std::size_t added = 0;
        std::size_t returned = 0;
        for (unsigned step = 0; step < 5000; ++step) {
            switch (random() % 8) {
            case 0:
            case 1:
                if (const auto length = 1 + random() % 3; rig.driver->free_descriptors() >= length) {
                    rig.add(length);
                    ++added;
                }
                break;
            case 2:
            case 3:
                if (auto popped = current->queue.pop(); popped && *popped) {
                    out.push_back(std::move(**popped));
                }
                break;
            case 4:
            case 5:
                if (!out.empty()) {
                    std::swap(out[random() % out.size()], out.back());
                    out.pop_back();
                }
                break;
            case 6:
                current->queue.publish(Queue::Clock::now());
                while (rig.driver->take_used()) {
                    ++returned;
                }
                break;
            default: {
                current->queue.publish(Queue::Clock::now());
                const Memory memory(rig);
                rig.state = current->state;
                out.clear(); // the old process is gone, and with it what it did
                memory.restore();
                current = std::make_unique<Continued>(rig, features, size);
                break;
            }
            }
        }
        while (auto popped = *current->queue.pop()) {
            out.push_back(std::move(*popped));
        }
        out.clear();
        current->queue.publish(Queue::Clock::now());
        while (rig.driver->take_used()) {
            ++returned;
        }
        CHECK(added > 500);
        CHECK(returned == added);
        CHECK(rig.driver->free_descriptors() == size);
    }
}
