// SPDX-License-Identifier: Apache-2.0
#include "terminal.hpp"

#include <csignal>
#include <initializer_list>
#include <sys/signalfd.h>
#include <unistd.h>

namespace hvisor::cli {

RawTerminal::RawTerminal(bool wanted) {
    sigset_t signals;
    sigemptyset(&signals);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH}) {
        sigaddset(&signals, signal);
    }
    sigprocmask(SIG_BLOCK, &signals, nullptr);
    signal_fd_ = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);

    if (!wanted || tcgetattr(STDIN_FILENO, &saved_) != 0) {
        return;
    }
    termios raw = saved_;
    cfmakeraw(&raw);
    active_ = tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) == 0;
}

RawTerminal::~RawTerminal() {
    if (active_) {
        tcsetattr(STDIN_FILENO, TCSADRAIN, &saved_);
    }
    if (signal_fd_ >= 0) {
        close(signal_fd_);
    }
}

RawTerminal::Signal RawTerminal::take_signal() const {
    signalfd_siginfo info{};
    if (read(signal_fd_, &info, sizeof info) != sizeof info) {
        return Signal::none;
    }
    return info.ssi_signo == SIGWINCH ? Signal::resized : Signal::end;
}

winsize RawTerminal::size() const {
    winsize window{};
    if (active_) {
        ioctl(STDIN_FILENO, TIOCGWINSZ, &window);
    }
    return window;
}

} // namespace hvisor::cli
