// SPDX-License-Identifier: Apache-2.0
#include "cases.hpp"
#include "guest_gpu.hpp"
#include "measure.hpp"
#include "stack.hpp"

#include <cstdlib>
#include <cstring>
#include <format>
#include <fstream>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hvisor::bench {
namespace {

constexpr std::uint32_t width = 1280;
constexpr std::uint32_t height = 800;
constexpr double common_rate = 60; ///< frames a second

std::vector<zone::DeviceSettings> one_screen() {
    zone::GpuSettings settings;
    settings.config.backend = zone::GpuBackend::headless;
    settings.config.displays.push_back({.width = width, .height = height, .refresh = 0});
    std::vector<zone::DeviceSettings> all;
    all.push_back(Stack::device(gpu_place, std::move(settings)));
    return all;
}

/// What this process has of its own, and shares by memory files: RssAnon and RssShmem.
double resident_kib() {
    std::ifstream file("/proc/self/status");
    double sum = 0;
    for (std::string line; std::getline(file, line);) {
        for (const std::string_view key : {"RssAnon:", "RssShmem:"}) {
            if (line.starts_with(key)) {
                sum += std::strtod(line.c_str() + key.size(), nullptr);
            }
        }
    }
    return sum;
}

/// Copies of the same bytes, and nothing else, on the daemon's CPU.
Outcome copy_frames(std::span<const std::byte> from, unsigned copies, double seconds) {
    std::vector<std::vector<std::byte>> to(copies, std::vector<std::byte>(from.size()));
    Outcome outcome;
    outcome.latencies.reserve(100000);
    const auto begin = Times::now();
    const auto end = Clock::now() + std::chrono::duration_cast<Clock::duration>(Seconds(seconds));
    do {
        const auto started = Clock::now();
        auto source = from;
        for (auto& copy : to) {
            std::memcpy(copy.data(), source.data(), source.size());
            // The compiler may not leave out a copy that nobody looks at.
            asm volatile("" ::"r"(copy.data()) : "memory");
            source = copy;
        }
        outcome.latencies.add(Clock::now() - started);
        ++outcome.requests;
    } while (Clock::now() < end);
    outcome.times = Times::now() - begin;
    return outcome;
}

struct Figures {
    Series rate;
    Series median;
    Series tail;
    Series percent; ///< of a CPU, at the common rate

    void add(Outcome outcome) {
        rate.add(outcome.rate());
        median.add(outcome.latencies.percentile(0.5));
        tail.add(outcome.latencies.percentile(0.99));
    }
};

void run(Bench& bench, bool is_blob) {
    // Into the resource and from there to the screen; a blob is its own resource.
    const unsigned copies = is_blob ? 1 : 2;
    Stack stack(one_screen());
    GuestGpu gpu(stack, width, height, is_blob);
    const auto before = resident_kib();
    on_cpu(bench.cpus.guest, [&] {
        gpu.show();
        static_cast<void>(gpu.run(0.1));
    });
    const auto kept = resident_kib() - before;
    Figures ours;
    Figures limit;
    for (unsigned i = 0; i < bench.options.runs; ++i) {
        ours.add(on_cpu(bench.cpus.guest, [&] { return gpu.run(bench.options.seconds); }));
        const auto paced =
            on_cpu(bench.cpus.guest, [&] { return gpu.run(bench.options.seconds, common_rate); });
        ours.percent.add(100 * paced.times.others / paced.times.wall);
        const auto bare = on_cpu(bench.cpus.daemon,
                                 [&] { return copy_frames(gpu.picture(), copies, bench.options.seconds); });
        limit.percent.add(100 * common_rate * bare.times.own / static_cast<double>(bare.requests));
        limit.add(bare);
    }
    const auto name =
        std::format("{} x {}, {}", width, height, is_blob ? "flush of a blob" : "transfer and flush");
    const auto limit_name = is_blob ? "memcpy" : "memcpy, twice";
    const auto add = [&](const char* what, const char* unit, Series Figures::* which, bool is_rate) {
        bench.rows.push_back({.name = std::format("{}: {}", name, what),
                              .unit = unit,
                              .upstream = "",
                              .goal = is_rate ? "≥ 80 % of memcpy" : "",
                              .lower_is_better = !is_rate,
                              .ratio = is_rate ? std::optional(0.8) : std::nullopt,
                              .ours = (ours.*which).median(),
                              .limit = (limit.*which).median(),
                              .limit_name = limit_name});
    };
    add("frames", "/s", &Figures::rate, true);
    add("answered, median", "µs", &Figures::median, false);
    add("answered, 99th percentile", "µs", &Figures::tail, false);
    add("daemon CPU at 60 frames a second", "%", &Figures::percent, false);
    bench.rows.push_back({.name = name + ": memory that is kept, beside guest RAM",
                          .unit = "KiB",
                          .upstream = "",
                          .goal = "",
                          .lower_is_better = true,
                          .ours = kept,
                          .limit = copies * static_cast<double>(gpu.bytes()) / 1024,
                          .limit_name = "the pixels"});
}

} // namespace

void gpu_case(Bench& bench) {
    run(bench, false);
    run(bench, true);
}

} // namespace hvisor::bench
