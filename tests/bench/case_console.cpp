// SPDX-License-Identifier: Apache-2.0
#include "cases.hpp"
#include "measure.hpp"
#include "stack.hpp"

#include <array>
#include <cstring>
#include <format>
#include <stdexcept>
#include <utility>

namespace hvisor::bench {
namespace {

constexpr std::uint16_t queue_size = 64;
constexpr std::uint32_t transmit = 1;

/// Linux's driver of a console's port: it wants no interrupt for output, and
/// spins until a buffer is back: after each one for hvc0, and for
/// /dev/vport0p0 when the queue is full.
class GuestConsole {
  public:
    GuestConsole(Stack& stack, std::uint32_t bytes)
        : receive_(stack.ram(), queue_size),
          transmit_(stack.ram(), queue_size),
          device_(stack, console_place),
          bytes_(bytes),
          data_(stack.ram().allocate(std::size_t{bytes} * queue_size, block_bytes)) {
        std::memset(stack.ram().at(data_), 'x', std::size_t{bytes} * queue_size);
        device_.bring_up({}, {&receive_, &transmit_});
    }

    [[nodiscard]] Outcome run(unsigned depth, double seconds) {
        Outcome outcome;
        std::uint16_t slot = 0;
        unsigned in_flight = 0;
        const auto begin = Times::now();
        const auto end = Clock::now() + std::chrono::duration_cast<Clock::duration>(Seconds(seconds));
        const auto stop = [&] { return outcome.requests % 16 == 0 && Clock::now() >= end; };
        do {
            const GuestQueue::Piece piece{.address = data_ + std::uint64_t{bytes_} * slot, .length = bytes_};
            transmit_.add(slot, std::span(&piece, 1));
            slot = static_cast<std::uint16_t>((slot + 1) % queue_size);
            ++in_flight;
            if (transmit_.should_kick()) {
                device_.kick(transmit);
            }
            in_flight -= reclaim(in_flight == depth);
            ++outcome.requests;
        } while (!stop());
        while (in_flight != 0) {
            in_flight -= reclaim(true);
        }
        outcome.times = Times::now() - begin;
        return outcome;
    }

  private:
    /// How many buffers came back, at least one with `wait`.
    unsigned reclaim(bool wait) {
        unsigned count = 0;
        const auto take_all = [&] {
            while (transmit_.take()) {
                ++count;
            }
        };
        take_all();
        for (std::uint64_t looks = 0; wait && count == 0; ++looks) {
            if (looks == 1000000000) {
                throw std::runtime_error("the console does not give a buffer back");
            }
            // The driver does not want it, and the device may send one in 65,536 nonetheless.
            if (device_.take_interrupt()) {
                device_.acknowledge();
                device_.end_interrupt();
            }
            take_all();
        }
        return count;
    }

    GuestQueue receive_;
    GuestQueue transmit_;
    GuestDevice device_;
    std::uint32_t bytes_;
    std::uint64_t data_;
};

void run(Bench& bench, std::uint32_t bytes, unsigned depth) {
    std::vector<zone::DeviceSettings> all;
    all.push_back(Stack::device(console_place, zone::ConsoleSettings{}));
    Stack stack(std::move(all));
    GuestConsole console(stack, bytes);
    Series rate;
    Series cpu;
    for (unsigned i = 0; i < bench.options.runs; ++i) {
        const auto outcome =
            on_cpu(bench.cpus.guest, [&] { return console.run(depth, bench.options.seconds); });
        rate.add(bytes > 64 ? 1e-6 * bytes * outcome.rate() : outcome.rate());
        cpu.add(outcome.cpu_us());
    }
    const auto name = std::format("console out, {} bytes, {}", bytes,
                                  depth == 1 ? "one at a time as hvc0 does" : "queue kept full");
    const bool is_small = bytes <= 64;
    bench.rows.push_back({.name = name,
                          .unit = is_small ? "/s" : "MB/s",
                          .upstream = is_small ? "90,000 /s" : "357 MB/s",
                          .goal = is_small ? "≥ 300,000 /s" : "≥ 500 MB/s",
                          .bound = is_small ? 300000.0 : 500.0,
                          .ours = rate.median()});
    bench.rows.push_back({.name = name + ": daemon CPU a buffer",
                          .unit = "µs",
                          .upstream = "",
                          .goal = "",
                          .lower_is_better = true,
                          .ours = cpu.median()});
}

} // namespace

void console_case(Bench& bench) {
    for (const unsigned depth : {1U, 32U}) {
        run(bench, 64, depth);
        run(bench, block_bytes, depth);
    }
}

} // namespace hvisor::bench
