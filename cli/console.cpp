// SPDX-License-Identifier: Apache-2.0
#include "console.hpp"

#include "escape.hpp"
#include "terminal.hpp"

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <format>
#include <poll.h>
#include <print>
#include <span>
#include <string_view>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

namespace hvisor::cli {
namespace {

constexpr int quiet_after_input_ms = 500;

bool is_transient(int error) {
    return error == EAGAIN || error == EINTR;
}

/// The state of one copy, one step of poll() at a time.
class Copy {
  public:
    Copy(int stream, const ConsoleOptions& options, const RawTerminal& terminal)
        : stream_(stream),
          options_(options),
          terminal_(terminal),
          input_open_(!options.read_only || terminal.active()),
          sends_input_(!options.read_only) {}

    Outcome<void> run() {
        tell_size();
        while (!done_) {
            std::array<pollfd, 3> fds = {{
                {.fd = stream_, .events = stream_events(), .revents = 0},
                // Input waits while the zone has not taken what came before.
                {.fd = input_open_ && unsent_.empty() ? STDIN_FILENO : -1, .events = POLLIN, .revents = 0},
                {.fd = terminal_.signal_fd(), .events = POLLIN, .revents = 0},
            }};
            const bool draining = sends_input_ && !input_open_ && unsent_.empty();
            const int ready = poll(fds.data(), fds.size(), draining ? quiet_after_input_ms : -1);
            if (ready < 0 && errno != EINTR) {
                return fail(1, std::format("cannot wait for the console: {}", std::strerror(errno)));
            }
            if ((ready == 0 && draining) || (fds[2].revents != 0 && take_signal())) {
                return {};
            }
            if ((fds[0].revents & POLLOUT) != 0) {
                send_input();
            }
            if ((fds[0].revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
                if (auto written = receive(); !written) {
                    return written;
                }
            }
            if (fds[1].revents != 0) {
                read_input();
            }
        }
        return unsent_.empty() || terminal_.active()
                   ? Outcome<void>{}
                   : fail(1, "the console takes no more input: another client has it now, or "
                             "the zone has ended");
    }

  private:
    /// Whether it was one that ends the program.
    [[nodiscard]] bool take_signal() const {
        const auto signal = terminal_.take_signal();
        if (signal == RawTerminal::Signal::resized) {
            tell_size();
        }
        return signal == RawTerminal::Signal::end;
    }

    // A size that cannot be told is no reason to leave the console.
    void tell_size() const {
        const auto window = terminal_.size();
        if (sends_input_ && window.ws_col != 0 && window.ws_row != 0) {
            options_.resize(window.ws_col, window.ws_row);
        }
    }

    [[nodiscard]] short stream_events() const {
        return static_cast<short>(POLLIN | (unsent_.empty() ? 0 : POLLOUT));
    }

    Outcome<void> receive() {
        const auto count = recv(stream_, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
        if (count < 0 && is_transient(errno)) {
            return {};
        }
        if (count <= 0) {
            done_ = true;
            return {};
        }
        std::span<const char> rest(buffer_.data(), static_cast<std::size_t>(count));
        while (!rest.empty()) {
            const auto written = write(STDOUT_FILENO, rest.data(), rest.size());
            if (written < 0 && !is_transient(errno)) {
                return fail(1, std::format("cannot write the console's output: {}", std::strerror(errno)));
            }
            if (written < 0 && errno == EAGAIN) {
                pollfd wait = {.fd = STDOUT_FILENO, .events = POLLOUT, .revents = 0};
                poll(&wait, 1, -1);
            }
            rest = rest.subspan(static_cast<std::size_t>(std::max<ssize_t>(written, 0)));
        }
        return {};
    }

    void read_input() {
        const auto count = read(STDIN_FILENO, buffer_.data(), buffer_.size());
        if (count < 0 && is_transient(errno)) {
            return;
        }
        if (count <= 0) {
            input_open_ = false;
            // A terminal that is gone takes its user with it.
            done_ = terminal_.active();
            return;
        }
        const std::span<const char> input(buffer_.data(), static_cast<std::size_t>(count));
        if (terminal_.active() && escape_.feed(input, EscapeDetector::Clock::now())) {
            done_ = true;
            return;
        }
        if (sends_input_) {
            unsent_.assign(input.begin(), input.end());
            send_input();
        }
    }

    void send_input() {
        const auto count = send(stream_, unsent_.data(), unsent_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (count > 0) {
            unsent_.erase(unsent_.begin(), unsent_.begin() + count);
        } else if (count < 0 && !is_transient(errno)) {
            // Whoever sits at the terminal reads in the console's output why.
            sends_input_ = false;
            done_ = !terminal_.active();
            if (terminal_.active()) {
                unsent_.clear();
            }
        }
    }

    int stream_;
    const ConsoleOptions& options_;
    const RawTerminal& terminal_;
    bool input_open_;
    bool sends_input_;
    bool done_ = false;
    EscapeDetector escape_;
    std::vector<char> unsent_;
    std::array<char, 4096> buffer_{};
};

} // namespace

Outcome<void> copy_console(int stream, const ConsoleOptions& options) {
    const bool interactive = isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1;
    if (interactive) {
        std::println(stderr, "Connected to {}. Press ^] three times within a second to leave.",
                     options.title);
    }
    Outcome<void> outcome;
    {
        const RawTerminal terminal(interactive);
        outcome = Copy(stream, options, terminal).run();
    }
    if (interactive) {
        std::println(stderr, "\nDisconnected from {}.", options.title);
    }
    return outcome;
}

} // namespace hvisor::cli
