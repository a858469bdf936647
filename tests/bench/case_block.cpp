// SPDX-License-Identifier: Apache-2.0
#include "cases.hpp"
#include "guest_disk.hpp"
#include "limits.hpp"
#include "measure.hpp"
#include "stack.hpp"

#include <fcntl.h>
#include <format>
#include <utility>

namespace hvisor::bench {
namespace {

/// A stack with one disk, and its driver.
struct DiskBench {
    DiskBench(Bench& its_bench, const Image& its_image, std::uint32_t largest = block_bytes,
              bool direct = false)
        : bench(its_bench),
          image(its_image),
          stack(settings(its_image, direct)),
          disk(stack.guest(), largest) {}

    static std::vector<zone::DeviceSettings> settings(const Image& image, bool direct) {
        std::vector<zone::DeviceSettings> all;
        all.push_back(
            Stack::device(disk_place, zone::BlockSettings{.image = image.open(),
                                                          .file = {.path = "disk.img", .direct = direct}}));
        return all;
    }
    Outcome guest(const Load& load) {
        return on_cpu(bench.cpus.guest, [&] { return disk.run(load); });
    }
    Outcome bare(const Load& load) {
        return on_cpu(bench.cpus.daemon, [&] { return system_call_loop(file, load, ram); });
    }
    Outcome woken(const Load& load) {
        return on_cpu(bench.cpus.guest, [&] { return woken_call_loop(file, load, ram, bench.cpus.daemon); });
    }
    Outcome asked(const Load& load) {
        return on_cpu(bench.cpus.guest, [&] { return asked_call_loop(file, load, ram, bench.cpus.daemon); });
    }
    Outcome copies(const Load& load) {
        return on_cpu(bench.cpus.daemon, [&] { return copy_loop(file, load, ram); });
    }

    Bench& bench;
    const Image& image;
    Stack stack;
    GuestDisk disk;
    UniqueFd file = image.open();
    Mapping view = stack.hypervisor().map_ram(0x60000000, std::size_t{64} << 20).value();
    kit::Ram ram{0x60000000, view.data(), view.size()};
};

/// One figure of one side in all runs.
struct Pair {
    Series ours;
    Series limit;
};

Row row(std::string name, std::string unit, std::string upstream, std::string goal) {
    return {.name = std::move(name),
            .unit = std::move(unit),
            .upstream = std::move(upstream),
            .goal = std::move(goal)};
}

/// The same figure beside the same calls when the other CPU asks for each.
Row beside_asked(const std::string& name, const Row& ours, const Series& asked, bool is_write) {
    auto beside = row(name + ", beside calls that the other CPU asks for", ours.unit, "", "");
    beside.ours = ours.ours;
    beside.limit = asked.median();
    beside.limit_name = is_write ? "pwrite, asked for" : "pread, asked for";
    return beside;
}

void depth1_on(Bench& bench, const Image& image, bool is_tmpfs) {
    DiskBench rig(bench, image);
    const auto blocks = image.shuffled(block_bytes);
    const Load load{.blocks = blocks, .has_latencies = true, .seconds = bench.options.seconds};
    Pair median;
    Pair tail;
    Pair cpu;
    static_cast<void>(rig.guest({.blocks = blocks, .seconds = 0.2}));
    for (unsigned i = 0; i < bench.options.runs; ++i) {
        auto ours = rig.guest(load);
        median.ours.add(ours.latencies.percentile(0.5));
        tail.ours.add(ours.latencies.percentile(0.99));
        cpu.ours.add(ours.cpu_us());
        auto limit = rig.bare(load);
        median.limit.add(limit.latencies.percentile(0.5));
        tail.limit.add(limit.latencies.percentile(0.99));
        cpu.limit.add(limit.cpu_us());
    }
    const auto add = [&](const char* what, const Pair& pair, const char* upstream, const char* goal,
                         double bound) {
        auto line = row(std::format("4 KiB cached random read, depth 1, {}: {}", image.file_system(), what),
                        "µs", is_tmpfs ? upstream : "", goal);
        line.lower_is_better = true;
        line.bound = bound;
        line.ours = pair.ours.median();
        line.limit = pair.limit.median();
        line.limit_name = "pread";
        bench.rows.push_back(std::move(line));
    };
    add("median", median, "24 µs", "≤ 8 µs", 8);
    add("99th percentile", tail, "50 µs", "≤ 20 µs", 20);
    add("daemon CPU a request", cpu, "45 µs", "≤ 10 µs", 10);
}

void depth32_on(Bench& bench, const Image& image, bool is_write, double upstream, double upstream_cpu) {
    DiskBench rig(bench, image);
    const auto blocks = image.shuffled(block_bytes);
    const Load load{.is_write = is_write, .depth = 32, .blocks = blocks, .seconds = bench.options.seconds};
    Pair rate;
    Series asked;
    Series cpu;
    static_cast<void>(rig.guest({.is_write = is_write, .depth = 32, .blocks = blocks, .seconds = 0.2}));
    for (unsigned i = 0; i < bench.options.runs; ++i) {
        image.write_back();
        const auto ours = rig.guest(load);
        rate.ours.add(ours.rate());
        cpu.add(ours.cpu_us());
        image.write_back();
        rate.limit.add(rig.bare(load).rate());
        image.write_back();
        asked.add(rig.asked(load).rate());
    }
    const auto name =
        std::format("4 KiB cached random {}, depth 32, {}", is_write ? "write" : "read", image.file_system());
    auto line = row(name, "/s", std::format("{:.0f},000 /s", upstream / 1000), "faster, ≥ 85 % of the loop");
    line.bound = upstream;
    line.ratio = 0.85;
    line.ours = rate.ours.median();
    line.limit = rate.limit.median();
    line.limit_name = is_write ? "pwrite" : "pread";
    bench.rows.push_back(line);
    bench.rows.push_back(beside_asked(name, line, asked, is_write));
    auto cost = row(name + ": daemon CPU a request", "µs",
                    upstream_cpu != 0 ? std::format("{} µs", upstream_cpu) : "", "≤ 2 µs");
    cost.lower_is_better = true;
    cost.bound = 2;
    cost.ours = cpu.median();
    bench.rows.push_back(std::move(cost));
}

void sequential_run(Bench& bench, const Image& image, bool is_write, double upstream) {
    constexpr std::uint32_t bytes = 128 << 10;
    constexpr unsigned depth = 8;
    DiskBench rig(bench, image, bytes);
    const auto blocks = image.in_order(bytes);
    const Load load{.is_write = is_write,
                    .bytes = bytes,
                    .depth = depth,
                    .blocks = blocks,
                    .seconds = bench.options.seconds};
    Pair rate;
    Series calls;
    Series asked;
    const auto gigabytes = [](const Outcome& outcome) { return 1e-9 * bytes * outcome.rate(); };
    static_cast<void>(
        rig.guest({.is_write = is_write, .bytes = bytes, .depth = depth, .blocks = blocks, .seconds = 0.2}));
    for (unsigned i = 0; i < bench.options.runs; ++i) {
        rate.ours.add(gigabytes(rig.guest(load)));
        rate.limit.add(gigabytes(rig.copies(load)));
        calls.add(gigabytes(rig.bare(load)));
        asked.add(gigabytes(rig.asked(load)));
    }
    const auto name =
        std::format("128 KiB sequential {}, depth 8, {}", is_write ? "write" : "read", image.file_system());
    auto line = row(name, "GB/s", std::format("{} GB/s", upstream), "≥ 10 GB/s, or 95 % of memcpy");
    line.bound = 10;
    line.ratio = 0.95;
    line.either = true;
    line.ours = rate.ours.median();
    line.limit = rate.limit.median();
    line.limit_name = "memcpy";
    bench.rows.push_back(line);
    auto beside = row(name + ", beside the bare call", "GB/s", "", "");
    beside.ours = line.ours;
    beside.limit = calls.median();
    beside.limit_name = is_write ? "pwrite" : "pread";
    bench.rows.push_back(beside);
    bench.rows.push_back(beside_asked(name, beside, asked, is_write));
}

} // namespace

void depth1_case(Bench& bench) {
    depth1_on(bench, bench.in_memory(), true);
    depth1_on(bench, bench.on_disk(), false);
}

void hogged_case(Bench& bench) {
    const auto& image = bench.in_memory();
    DiskBench rig(bench, image);
    const auto blocks = image.shuffled(block_bytes);
    const Load load{.blocks = blocks, .has_latencies = true, .seconds = 3 * bench.options.seconds};
    struct Tails {
        Series ours;
        Series loop;
        Series woken;
    };
    Tails tail;
    Tails far_tail;
    const auto note = [&](Latencies latencies, Series Tails::* whose) {
        (tail.*whose).add(latencies.percentile(0.99));
        (far_tail.*whose).add(latencies.percentile(0.999));
    };
    const Hog hog(bench.cpus.daemon);
    for (unsigned i = 0; i < bench.options.runs; ++i) {
        note(rig.guest(load).latencies, &Tails::ours);
        note(rig.bare(load).latencies, &Tails::loop);
        note(rig.woken(load).latencies, &Tails::woken);
    }
    const auto name =
        std::format("the same, {}, with a CPU-bound process on the daemon's CPU: ", image.file_system());
    auto line = row(name + "99th percentile", "µs", "12,000 to 16,000 µs (on both CPUs)",
                    "≤ 4,000 µs, ≤ 3x the loop");
    line.lower_is_better = true;
    line.bound = 4000;
    line.ratio = 3;
    line.ours = tail.ours.median();
    line.limit = tail.loop.median();
    line.limit_name = "pread beside the same process";
    bench.rows.push_back(line);
    // The loop above never waits, so that its turns are long; a server sleeps
    // until it is asked. Of either the rarer waits say more.
    const auto add = [&](const char* what, const Series& ours, const Series& limit, const char* limit_name) {
        auto beside = row(name + what, "µs", "", "");
        beside.lower_is_better = true;
        beside.ours = ours.median();
        beside.limit = limit.median();
        beside.limit_name = limit_name;
        bench.rows.push_back(std::move(beside));
    };
    constexpr auto woken = "pread by a thread that sleeps until it is asked";
    add("99th percentile", tail.ours, tail.woken, woken);
    add("99.9th percentile", far_tail.ours, far_tail.loop, "pread beside the same process");
    add("99.9th percentile", far_tail.ours, far_tail.woken, woken);
}

void depth32_case(Bench& bench) {
    depth32_on(bench, bench.in_memory(), false, 454e3, 3.8);
    depth32_on(bench, bench.in_memory(), true, 477e3, 3.8);
    depth32_on(bench, bench.on_disk(), false, 380e3, 0);
    depth32_on(bench, bench.on_disk(), true, 147e3, 0);
}

void uncached_case(Bench& bench) {
    const auto& image = bench.on_disk();
    const auto blocks = image.shuffled(block_bytes);
    const Load load{.depth = 32, .blocks = blocks, .once = true, .seconds = bench.options.seconds};
    for (const bool direct : {false, true}) {
        DiskBench rig(bench, image, block_bytes, direct);
        const auto file = image.open(direct ? O_DIRECT : 0);
        Pair rate;
        Series cpu;
        bool has_limit = true;
        for (unsigned i = 0; i < bench.options.runs; ++i) {
            image.drop_cache();
            const auto ours = rig.guest(load);
            rate.ours.add(ours.rate());
            cpu.add(ours.cpu_us());
            image.drop_cache();
            const auto limit = on_cpu(bench.cpus.daemon, [&] { return io_uring_loop(file, load); });
            has_limit = limit.has_value();
            rate.limit.add(has_limit ? limit->rate() : 0);
        }
        const auto name = std::format("4 KiB random read, not cached, depth 32, {}, {}", image.file_system(),
                                      direct ? "direct" : "buffered");
        auto line = row(name, "/s", direct ? "" : "16,000 /s", "≥ 90 % of io_uring in the same mode");
        line.ratio = 0.9;
        line.ours = rate.ours.median();
        if (has_limit) {
            line.limit = rate.limit.median();
            line.limit_name = direct ? "io_uring, O_DIRECT" : "io_uring";
        }
        bench.rows.push_back(std::move(line));
        auto cost = row(name + ": daemon CPU a request", "µs", "", "");
        cost.lower_is_better = true;
        cost.ours = cpu.median();
        bench.rows.push_back(std::move(cost));
    }
}

void sequential_case(Bench& bench) {
    sequential_run(bench, bench.in_memory(), false, 9.7);
    sequential_run(bench, bench.in_memory(), true, 8.7);
}

void flush_case(Bench& bench) {
    const auto& image = bench.in_memory();
    DiskBench rig(bench, image);
    const Load load{.is_flush = true, .has_latencies = true, .seconds = bench.options.seconds};
    Pair median;
    for (unsigned i = 0; i < bench.options.runs; ++i) {
        median.ours.add(rig.guest(load).latencies.percentile(0.5));
        median.limit.add(rig.bare(load).latencies.percentile(0.5));
    }
    auto line = row(std::format("flush, depth 1, {}: median", image.file_system()), "µs", "22 µs", "≤ 8 µs");
    line.lower_is_better = true;
    line.bound = 8;
    line.ours = median.ours.median();
    line.limit = median.limit.median();
    line.limit_name = "fdatasync";
    bench.rows.push_back(std::move(line));
}

} // namespace hvisor::bench
