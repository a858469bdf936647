// SPDX-License-Identifier: Apache-2.0
#include "base/uring.hpp"
#include "cases.hpp"
#include "devices/net/backend_tap.hpp"
#include "devices/net/config.hpp"
#include "guest_net.hpp"
#include "measure.hpp"
#include "packet_source.hpp"
#include "stack.hpp"

#include <format>
#include <functional>
#include <span>
#include <stdexcept>
#include <sys/uio.h>
#include <utility>

namespace hvisor::bench {
namespace {

using devices::net::TapBackend;
using devices::net::TapSettings;

constexpr const char* tap_name = "bench0";
constexpr unsigned depth = 64;

TapSettings tap_settings() {
    return {.name = tap_name, .bridge = "", .mtu = 0, .pairs = 1, .guest_mac = guest_mac};
}

std::unique_ptr<TapBackend> open_tap() {
    auto tap = TapBackend::open(tap_settings());
    if (!tap) {
        throw std::runtime_error(tap.error().error.message);
    }
    return std::move(*tap);
}

/// A zone with a network device on a tap of this thread's network.
class NetStack {
  public:
    NetStack() : stack_(settings()), guest_(stack_) {}
    [[nodiscard]] GuestNet& guest() { return guest_; }

  private:
    static std::vector<zone::DeviceSettings> settings() {
        std::vector<zone::DeviceSettings> all;
        all.push_back(Stack::device(
            net_place, zone::NetSettings{.tap = tap_settings(),
                                         .options = {.mac = guest_mac, .transmit = {}, .receive = {}}}));
        return all;
    }
    Stack stack_;
    GuestNet guest_;
};

/// Writing the same frames to a tap, and nothing else.
Outcome write_loop(const Frame& frame, double seconds) {
    const auto tap = open_tap();
    const std::vector<std::byte>& bytes = frame.bytes();
    Outcome outcome;
    const auto begin = Times::now();
    const auto end = Clock::now() + std::chrono::duration_cast<Clock::duration>(Seconds(seconds));
    do {
        if (::write(tap->fd(0), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) {
            fail("the tap does not take a frame");
        }
        ++outcome.requests;
    } while (outcome.requests % 16 != 0 || Clock::now() < end);
    outcome.times = Times::now() - begin;
    return outcome;
}

/// The same with io_uring, many with one call, each linked to the one before.
Outcome linked_write_loop(const Frame& frame, double seconds) {
    constexpr unsigned at_once = 32;
    const auto tap = open_tap();
    const int fd = tap->fd(0);
    const auto ring = Uring::create(at_once, at_once, std::span(&fd, 1));
    if (!ring) {
        return {}; // forbidden, or a kernel without it
    }
    const std::vector<std::byte>& bytes = frame.bytes();
    Outcome outcome;
    const auto begin = Times::now();
    const auto end = Clock::now() + std::chrono::duration_cast<Clock::duration>(Seconds(seconds));
    do {
        for (unsigned i = 0; i < at_once; ++i) {
            auto* entry = ::io_uring_get_sqe(ring->get());
            ::io_uring_prep_write(entry, 0, bytes.data(), static_cast<unsigned>(bytes.size()), 0);
            const bool is_last = i + 1 == at_once;
            ::io_uring_sqe_set_flags(entry, IOSQE_FIXED_FILE | (is_last ? 0U : IOSQE_IO_LINK));
            entry->rw_flags = RWF_NOWAIT;
        }
        ::io_uring_submit_and_wait(ring->get(), at_once);
        for (io_uring_cqe* done = nullptr; ::io_uring_peek_cqe(ring->get(), &done) == 0;) {
            if (done->res != static_cast<int>(bytes.size())) {
                fail("the tap does not take a frame");
            }
            ::io_uring_cqe_seen(ring->get(), done);
            ++outcome.requests;
        }
    } while (Clock::now() < end);
    outcome.times = Times::now() - begin;
    ring->release_files(); // the next one opens the same tap
    return outcome;
}

/// Reading frames from a tap that has many, and nothing else.
Outcome read_loop(double seconds) {
    const auto tap = open_tap();
    PacketSource source(tap_name);
    Outcome outcome;
    std::vector<std::byte> buffer(2048);
    while (outcome.times.wall < seconds) {
        source.fill(0);
        const auto begin = Times::now();
        std::uint64_t count = 0;
        while (::read(tap->fd(0), buffer.data(), buffer.size()) > 0) {
            ++count;
        }
        const auto times = Times::now() - begin;
        outcome.requests += count;
        outcome.times.wall += times.wall;
        outcome.times.others += times.others;
    }
    return outcome;
}

struct Medians {
    Series ours;
    Series cpu;
    Series limit;
};

Medians measure(const Bench& bench, const std::function<Outcome()>& ours,
                const std::function<Outcome()>& limit, double scale) {
    Medians medians;
    for (unsigned i = 0; i < bench.options.runs; ++i) {
        const auto outcome = ours();
        medians.ours.add(scale * outcome.rate());
        medians.cpu.add(outcome.cpu_us());
        medians.limit.add(scale * limit().rate());
    }
    return medians;
}

void report(Bench& bench, Row row, const Medians& medians, const char* limit_name, const char* upstream_cpu) {
    row.ours = medians.ours.median();
    row.limit = medians.limit.median();
    row.limit_name = limit_name;
    auto cpu = Row{.name = row.name + ": daemon CPU a frame",
                   .unit = "µs",
                   .upstream = upstream_cpu,
                   .goal = "",
                   .lower_is_better = true,
                   .ours = medians.cpu.median()};
    bench.rows.push_back(std::move(row));
    bench.rows.push_back(std::move(cpu));
}

void transmit(Bench& bench, const Frame& frame, Row row, double scale, const char* upstream_cpu) {
    const auto medians = measure(
        bench,
        [&] {
            NetStack stack;
            return on_cpu(bench.cpus.guest,
                          [&] { return stack.guest().transmit(frame, depth, bench.options.seconds); });
        },
        [&] { return write_loop(frame, bench.options.seconds); }, scale);
    Series linked;
    bool has_linked = true;
    for (unsigned i = 0; i < bench.options.runs; ++i) {
        const auto outcome = linked_write_loop(frame, bench.options.seconds);
        has_linked = outcome.requests != 0;
        linked.add(has_linked ? scale * outcome.rate() : 0);
    }
    if (has_linked) {
        bench.rows.push_back({.name = row.name + ", beside linked writes",
                              .unit = row.unit,
                              .upstream = "",
                              .goal = "",
                              .ours = medians.ours.median(),
                              .limit = linked.median(),
                              .limit_name = "writes of io_uring, each linked to the one before"});
    }
    report(bench, std::move(row), medians, "write to the tap", upstream_cpu);
}

void receive(Bench& bench, Row row) {
    std::uint64_t lost = 0;
    const auto medians = measure(
        bench,
        [&] {
            NetStack stack;
            PacketSource source(tap_name);
            const auto outcome = on_cpu(bench.cpus.guest,
                                        [&] { return stack.guest().receive(source, bench.options.seconds); });
            lost += stack.guest().lost();
            return outcome;
        },
        [&] { return read_loop(bench.options.seconds); }, 1);
    row.note = lost == 0 ? "" : std::format("{} frames lost", lost);
    report(bench, std::move(row), medians, "read from the tap", "");
}

} // namespace

void net_case(Bench& bench) {
    const auto network = Network::make();
    if (!network) {
        for (const auto* name : {"1,500-byte frames sent to a tap", "64 KiB segments sent to a tap",
                                 "1,500-byte frames received from a tap"}) {
            bench.rows.push_back({.name = name,
                                  .unit = "",
                                  .upstream = "",
                                  .goal = "",
                                  .note = "skipped: no network namespace with taps can be made here"});
        }
        return;
    }
    transmit(bench, Frame::plain(1514),
             {.name = "1,500-byte frames sent to a tap, depth 64",
              .unit = "/s",
              .upstream = "710,000 /s",
              .goal = "≥ 900,000 /s",
              .bound = 900000.0},
             1, "1.4 µs");
    const auto segment = Frame::segment(65226);
    transmit(bench, segment,
             {.name = "64 KiB segments sent to a tap, depth 64",
              .unit = "Gbit/s",
              .upstream = "",
              .goal = "≥ 30 Gbit/s",
              .bound = 30.0},
             8e-9 * static_cast<double>(segment.size()), "");
    receive(bench, {.name = "1,500-byte frames received from a tap",
                    .unit = "/s",
                    .upstream = "",
                    .goal = "≥ 500,000 /s, none lost",
                    .bound = 500000.0});
}

} // namespace hvisor::bench
