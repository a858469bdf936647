// SPDX-License-Identifier: Apache-2.0
// A queue whose process is killed, for real and anywhere, and continued by the next one.
#include "base/state_memory.hpp"
#include "queue_rig.hpp"

#include <chrono>
#include <csignal>
#include <map>
#include <random>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace queue_killed_test {

using namespace hvisor;
using namespace hvisor::virtio;

namespace {

constexpr FeatureSet kinds[] = {
    kit::split_features,  kit::split_features | event_idx,  kit::split_features | in_order,
    kit::packed_features, kit::packed_features | event_idx, kit::packed_features | in_order,
};
constexpr std::uint16_t size = 8;
constexpr unsigned kills = 60;

/// What both processes see: the guest's memory and the queue's state.
struct Shared {
    StateMemory ram_memory = *StateMemory::create("guest");
    StateMemory state_memory = *StateMemory::create("queue");
    kit::Ram ram{0x40000000, ram_memory.bytes().data(), ram_memory.bytes().size()};
    QueueState& state = *reinterpret_cast<QueueState*>(state_memory.bytes().data());
};

/// The device's process: takes, gives back in some order, shows, for ever.
[[noreturn]] void serve(Shared& shared, const kit::DriverQueue& driver, FeatureSet features, unsigned seed) {
    std::mt19937 random(seed);
    const auto memory = QueueRig::make_memory(shared.ram);
    Queue queue(*QueueLayout::create({.size = size,
                                      .descriptors = driver.descriptors(),
                                      .driver = driver.driver_area(),
                                      .device = driver.device_area()},
                                     size, features.has(FeatureBit::ring_packed), memory),
                memory, features, shared.state, Queue::Start::continued);
    std::vector<Chain> out;
    for (;;) {
        const auto action = random() % 4;
        if (action == 0 && !out.empty()) {
            std::swap(out[random() % out.size()], out.back());
            out.pop_back();
        } else if (action == 1) {
            queue.publish(Queue::Clock::now());
        } else if (auto popped = queue.pop()) {
            if (*popped && random() % 8 == 0) {
                (*popped)->put_back();
            } else if (*popped) {
                (*popped)->set_written(4);
                out.push_back(std::move(**popped));
            }
        } else {
            ::_exit(2); // a fault, of a driver that follows the rules
        }
    }
}

/// A driver that knows what it has given away.
class Driver {
  public:
    Driver(Shared& shared, FeatureSet features) : queue(kit::make_queue(features, shared.ram, size)) {}

    void add(std::size_t length) {
        if (queue->free_descriptors() >= length) {
            const auto name = queue->add(std::vector<kit::Descriptor>(
                length, {.address = 0x40080000, .length = 4, .flags = kit::desc_write, .next = 0}));
            REQUIRE(out[name]++ == 0);
            ++added;
        }
    }
    void take() {
        while (const auto used = queue->take_used()) {
            REQUIRE(out[used->head]-- == 1); // it was out, and is not any more
            ++returned;
        }
    }

    std::unique_ptr<kit::DriverQueue> queue;
    std::map<std::uint16_t, int> out;
    std::size_t added = 0;
    std::size_t returned = 0;
};

} // namespace

TEST_CASE("a queue whose process is killed at any moment loses no chain and gives none back twice") {
    for (const auto features : kinds) {
        Shared shared;
        Driver driver(shared, features);
        std::mt19937 random(1);
        for (unsigned round = 0; round < kills; ++round) {
            const auto child = ::fork();
            REQUIRE(child >= 0);
            if (child == 0) {
                serve(shared, *driver.queue, features, round);
            }
            const auto end = std::chrono::steady_clock::now() + std::chrono::microseconds(random() % 4000);
            do {
                driver.add(1 + random() % 3);
                driver.take();
            } while (std::chrono::steady_clock::now() < end);
            ::kill(child, SIGKILL);
            int status = 0;
            REQUIRE(::waitpid(child, &status, 0) == child);
            REQUIRE(WIFSIGNALED(status));
        }
        // The last one is let alone until everything is back.
        const auto child = ::fork();
        if (child == 0) {
            serve(shared, *driver.queue, features, kills);
        }
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
        while (driver.returned < driver.added && std::chrono::steady_clock::now() < deadline) {
            driver.take();
        }
        ::kill(child, SIGKILL);
        ::waitpid(child, nullptr, 0);
        CHECK(driver.returned == driver.added);
        CHECK(driver.added > kills);
        CHECK(driver.queue->free_descriptors() == size);
    }
}

} // namespace queue_killed_test
