// SPDX-License-Identifier: Apache-2.0
#include "waiting.hpp"

#include "base/error_table.hpp"

#include <CLI/CLI.hpp>
#include <sdbus-c++/sdbus-c++.h>
#include <systemd/sd-event.h>

#include <cstdint>
#include <format>
#include <memory>
#include <utility>

namespace hvisor::cli {
namespace {

struct Unref {
    void operator()(sd_event* event) const { sd_event_unref(event); }
};

/// Waits on a connection of its own, because `is_over` asks on the client's.
class Waiting {
  public:
    Waiting(const Client& client, const std::function<Outcome<bool>()>& is_over)
        : listener_(client.address()), is_over_(is_over) {}

    Outcome<void> run(Patience patience) {
        sd_event* event = nullptr;
        if (const int result = sd_event_new(&event); result < 0) {
            return fail(1, std::format("cannot make an event loop (error {})", -result));
        }
        event_.reset(event);
        if (patience) {
            const auto time = std::chrono::duration_cast<std::chrono::microseconds>(*patience);
            const auto expire = [](sd_event_source*, std::uint64_t, void* self) {
                auto* waiting = static_cast<Waiting*>(self);
                waiting->finish(fail(error_row(ErrorCode::timed_out).exit_status, "the time is up"));
                return 0;
            };
            constexpr std::uint64_t accuracy = 10'000;
            if (const int result = sd_event_add_time_relative(event, nullptr, CLOCK_MONOTONIC,
                                                              static_cast<std::uint64_t>(time.count()),
                                                              accuracy, expire, this);
                result < 0) {
                return fail(1, std::format("cannot set a timer (error {})", -result));
            }
        }
        try {
            auto& connection = listener_.connection();
            connection.attachSdEventLoop(event);
            const auto look = [this](const sdbus::Message&) { this->look(); };
            connection.addMatch(match_signals(), look);
            connection.addMatch(match_owner(), look);
            connection.addMatch(match_disconnected(), [this](const sdbus::Message&) {
                finish(fail(exit_unreachable, "the connection to hvisord has ended"));
            });
            this->look();
            if (!is_finished_) {
                static_cast<void>(sd_event_loop(event));
            }
            connection.detachSdEventLoop();
        } catch (const sdbus::Error& error) {
            return fail(error);
        }
        return outcome_;
    }

  private:
    void look() {
        if (is_finished_) {
            return;
        }
        const auto over = is_over_();
        if (!over) {
            finish(std::unexpected(over.error()));
        } else if (*over) {
            finish({});
        }
    }

    void finish(Outcome<void> outcome) {
        if (!std::exchange(is_finished_, true)) {
            outcome_ = std::move(outcome);
            sd_event_exit(event_.get(), 0);
        }
    }

    Client listener_;
    const std::function<Outcome<bool>()>& is_over_;
    std::unique_ptr<sd_event, Unref> event_;
    bool is_finished_ = false;
    Outcome<void> outcome_;
};

} // namespace

void add_timeout(CLI::App& verb, Patience& patience) {
    verb.add_option_function<double>(
            "--timeout", [&patience](double seconds) { patience = std::chrono::duration<double>(seconds); },
            "Give up after this many seconds")
        ->type_name("SECONDS")
        ->check(CLI::NonNegativeNumber);
}

Outcome<void> wait_until(Client& client, Patience patience, const std::function<Outcome<bool>()>& is_over) {
    return Waiting(client, is_over).run(patience);
}

} // namespace hvisor::cli
