// SPDX-License-Identifier: Apache-2.0
#include "cases.hpp"
#include "measure.hpp"
#include "stack.hpp"

#include <array>
#include <atomic>
#include <cstring>
#include <format>
#include <optional>
#include <stdexcept>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
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
          device_(stack.guest(), console_place),
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
        if (!wait) {
            return count;
        }
        std::uint64_t looks = 0;
        while (count == 0) {
            if (looks++ == 1000000000) {
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

/// A client that does nothing but read, on the daemon's CPU like whatever runs in the root zone.
class Reader {
  public:
    explicit Reader(UniqueFd stream) : stream_(std::move(stream)), thread_([this] { read_all(); }) {}
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;
    Reader(Reader&&) = delete;
    Reader& operator=(Reader&&) = delete;
    ~Reader() { ::shutdown(stream_.get(), SHUT_RDWR); }

    [[nodiscard]] std::uint64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }

  private:
    void read_all() {
        std::vector<char> buffer(std::size_t{64} << 10);
        ssize_t count = 0;
        while ((count = ::read(stream_.get(), buffer.data(), buffer.size())) > 0) {
            bytes_.fetch_add(static_cast<std::uint64_t>(count), std::memory_order_relaxed);
        }
    }

    UniqueFd stream_;
    std::atomic<std::uint64_t> bytes_{0};
    std::jthread thread_;
};

void run(Bench& bench, std::uint32_t bytes, unsigned depth, bool is_read) {
    std::vector<zone::DeviceSettings> all;
    all.push_back(Stack::device(console_place, zone::ConsoleSettings{}));
    Stack stack(std::move(all));
    GuestConsole console(stack, bytes);
    std::optional<Reader> reader;
    if (is_read) {
        reader.emplace(stack.devices().open_console("", {.read_only = true}).value());
    }
    Series rate;
    Series cpu;
    Series read;
    for (unsigned i = 0; i < bench.options.runs; ++i) {
        const auto before = reader ? reader->bytes() : 0;
        const auto outcome =
            on_cpu(bench.cpus.guest, [&] { return console.run(depth, bench.options.seconds); });
        rate.add(bytes > 64 ? 1e-6 * bytes * outcome.rate() : outcome.rate());
        cpu.add(outcome.cpu_us());
        if (reader) {
            read.add(1e-6 * static_cast<double>(reader->bytes() - before) / outcome.times.wall);
        }
    }
    const auto name = std::format("console out, {} bytes, {}{}", bytes,
                                  depth == 1 ? "one at a time as hvc0 does" : "queue kept full",
                                  is_read ? ", with a reader" : "");
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
    if (is_read) {
        bench.rows.push_back({.name = name + ": what the reader gets",
                              .unit = "MB/s",
                              .upstream = "",
                              .goal = "",
                              .ours = read.median()});
    }
}

} // namespace

void console_case(Bench& bench) {
    for (const bool is_read : {false, true}) {
        for (const unsigned depth : {1U, 32U}) {
            run(bench, 64, depth, is_read);
            run(bench, block_bytes, depth, is_read);
        }
    }
}

} // namespace hvisor::bench
