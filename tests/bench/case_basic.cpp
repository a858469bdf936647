// SPDX-License-Identifier: Apache-2.0
// Registers, and a daemon that has nothing to do.
#include "cases.hpp"
#include "measure.hpp"
#include "stack.hpp"

#include <atomic>
#include <chrono>
#include <thread>
#include <utility>

namespace hvisor::bench {
namespace {

std::vector<zone::DeviceSettings> one_console() {
    std::vector<zone::DeviceSettings> all;
    all.push_back(Stack::device(console_place, zone::ConsoleSettings{}));
    return all;
}

Latencies read_registers(const GuestDevice& device, double seconds) {
    Latencies latencies;
    latencies.reserve(10000000);
    const auto end = Clock::now() + std::chrono::duration_cast<Clock::duration>(Seconds(seconds));
    for (auto now = Clock::now(); now < end;) {
        static_cast<void>(device.read(virtio::Register::magic_value));
        const auto after = Clock::now();
        latencies.add(after - now);
        now = after;
    }
    return latencies;
}

/// A cache line to the other CPU and one back: what an answer costs at least.
Latencies bounce(const Bench& bench) {
    struct alignas(64) Line {
        std::atomic<std::uint32_t> value{0};
    };
    Line there;
    Line back;
    std::atomic<bool> stop{false};
    const std::jthread other([&] {
        pin_to(bench.cpus.daemon);
        for (std::uint32_t seen = 0; !stop.load(std::memory_order_relaxed);) {
            if (const auto value = there.value.load(std::memory_order_acquire); value != seen) {
                seen = value;
                back.value.store(value, std::memory_order_release);
            }
        }
    });
    auto latencies = on_cpu(bench.cpus.guest, [&] {
        Latencies measured;
        measured.reserve(10000000);
        const auto end =
            Clock::now() + std::chrono::duration_cast<Clock::duration>(Seconds(bench.options.seconds));
        std::uint32_t number = 0;
        for (auto now = Clock::now(); now < end;) {
            there.value.store(++number, std::memory_order_release);
            while (back.value.load(std::memory_order_acquire) != number) {
            }
            const auto after = Clock::now();
            measured.add(after - now);
            now = after;
        }
        return measured;
    });
    stop = true;
    return latencies;
}

} // namespace

void registers_case(Bench& bench) {
    Stack stack(one_console());
    const GuestDevice device(stack.guest(), console_place);
    Series median;
    Series tail;
    Series limit;
    Series limit_tail;
    for (unsigned i = 0; i < bench.options.runs; ++i) {
        auto ours = on_cpu(bench.cpus.guest, [&] { return read_registers(device, bench.options.seconds); });
        median.add(ours.percentile(0.5));
        tail.add(ours.percentile(0.99));
        auto bare = bounce(bench);
        limit.add(bare.percentile(0.5));
        limit_tail.add(bare.percentile(0.99));
    }
    bench.rows.push_back({.name = "register read, answered: median",
                          .unit = "µs",
                          .upstream = "0.2 µs",
                          .goal = "≤ 0.3 µs",
                          .lower_is_better = true,
                          .bound = 0.3,
                          .ours = median.median(),
                          .limit = limit.median(),
                          .limit_name = "a cache line there and back"});
    bench.rows.push_back({.name = "register read, answered: 99th percentile",
                          .unit = "µs",
                          .upstream = "",
                          .goal = "",
                          .lower_is_better = true,
                          .ours = tail.median(),
                          .limit = limit_tail.median(),
                          .limit_name = "a cache line there and back"});
}

void idle_case(Bench& bench) {
    Stack stack(one_console());
    const GuestDevice device(stack.guest(), console_place);
    constexpr auto interval = std::chrono::milliseconds(100);
    constexpr unsigned reads = 40;
    Series percent;
    const auto read_now_and_then = [&] {
        const auto begin = Times::now();
        for (unsigned i = 0; i < reads; ++i) {
            std::this_thread::sleep_for(interval);
            static_cast<void>(device.read(virtio::Register::magic_value));
        }
        return Times::now() - begin;
    };
    for (unsigned i = 0; i < bench.options.runs; ++i) {
        const auto times = on_cpu(bench.cpus.guest, read_now_and_then);
        percent.add(100 * times.others / times.wall);
    }
    bench.rows.push_back({.name = "idle with ten register reads a second: CPU of the daemon",
                          .unit = "%",
                          .upstream = "2.9 to 4.9 %",
                          .goal = "≤ 0.1 %",
                          .lower_is_better = true,
                          .bound = 0.1,
                          .ours = percent.median()});
}

} // namespace hvisor::bench
