// SPDX-License-Identifier: Apache-2.0
#include "listener.hpp"

#include "client.hpp"

#include "base/errno_text.hpp"
#include "base/error_table.hpp"

#include <array>
#include <csignal>
#include <cstdint>
#include <format>
#include <string>
#include <utility>

namespace hvisor::cli {

Listener::Listener() {
    sd_event* event = nullptr;
    note(sd_event_new(&event));
    event_.reset(event);
}

void Listener::note(int result) {
    if (result < 0 && error_ == 0) {
        error_ = result;
    }
}

void Listener::give_up_after(std::chrono::duration<double> time) {
    if (error_ < 0) {
        return;
    }
    const auto expire = [](sd_event_source*, std::uint64_t, void* self) {
        static_cast<Listener*>(self)->finish(
            fail(error_row(ErrorCode::timed_out).exit_status, "the time is up"));
        return 0;
    };
    constexpr std::uint64_t accuracy = 10'000;
    const auto microseconds = std::chrono::duration_cast<std::chrono::microseconds>(time).count();
    note(sd_event_add_time_relative(event_.get(), nullptr, CLOCK_MONOTONIC,
                                    static_cast<std::uint64_t>(microseconds), accuracy, expire, this));
}

void Listener::on_terminate(std::function<void()> task) {
    on_terminate_ = std::move(task);
    for (const int signal : {SIGTERM, SIGINT}) {
        if (error_ == 0) {
            const auto stop = [](sd_event_source*, const signalfd_siginfo*, void* self) {
                static_cast<Listener*>(self)->on_terminate_();
                return 0;
            };
            note(sd_event_add_signal(event_.get(), nullptr, signal | SD_EVENT_SIGNAL_PROCMASK, stop, this));
        }
    }
}

Outcome<void> Listener::run(sdbus::IConnection& connection, const sdbus::ObjectPath& path,
                            const Events& events, const std::function<void()>& begin) {
    if (error_ < 0) {
        return fail(1, std::format("cannot wait for events: {}", errno_text(-error_)));
    }
    try {
        connection.attachSdEventLoop(event_.get());
        const auto on_signal = [&](sdbus::Message message) { events.signal(message); };
        const auto on_owner = [&](sdbus::Message message) {
            std::string name;
            std::string before;
            std::string after;
            message >> name >> before >> after;
            events.attended(!after.empty());
        };
        const auto on_disconnected = [&](const sdbus::Message&) { events.disconnected(); };
        const std::array slots{
            connection.addMatch(match_signals(path), on_signal, sdbus::return_slot),
            connection.addMatch(match_owner(), on_owner, sdbus::return_slot),
            connection.addMatch(match_disconnected(), on_disconnected, sdbus::return_slot)};
        begin();
        if (!is_finished_) {
            static_cast<void>(sd_event_loop(event_.get()));
        }
        connection.detachSdEventLoop();
    } catch (const sdbus::Error& error) {
        return fail(error);
    }
    return outcome_;
}

void Listener::finish(Outcome<void> outcome) {
    if (!std::exchange(is_finished_, true)) {
        outcome_ = std::move(outcome);
        sd_event_exit(event_.get(), 0);
    }
}

} // namespace hvisor::cli
