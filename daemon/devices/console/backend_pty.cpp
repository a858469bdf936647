// SPDX-License-Identifier: Apache-2.0
#include "devices/console/backend_pty.hpp"

#include "base/errno_text.hpp"

#include <array>
#include <cstdlib>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>
#include <utility>

namespace hvisor::devices::console {

Result<Pty> Pty::open() {
    Pty pty;
    pty.master.reset(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK));
    std::array<char, 64> path{};
    if (!pty.master || ::grantpt(pty.master.get()) != 0 || ::unlockpt(pty.master.get()) != 0 ||
        ::ptsname_r(pty.master.get(), path.data(), path.size()) != 0) {
        return fail(ErrorCode::failed, "cannot create a pseudo-terminal: {}", errno_text());
    }
    pty.path = path.data();
    pty.terminal.reset(::open(pty.path.c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC));
    termios settings{};
    if (!pty.terminal || ::tcgetattr(pty.terminal.get(), &settings) != 0) {
        return fail(ErrorCode::failed, "cannot open the pseudo-terminal {}: {}", pty.path, errno_text());
    }
    // The guest's own terminal driver echoes and edits.
    ::cfmakeraw(&settings);
    ::tcsetattr(pty.terminal.get(), TCSANOW, &settings);
    return pty;
}

Pty Pty::take_over(UniqueFd master, UniqueFd terminal) {
    std::array<char, 64> path{};
    ::ptsname_r(master.get(), path.data(), path.size());
    return {.master = std::move(master), .terminal = std::move(terminal), .path = path.data()};
}

std::optional<Size> window_size(const UniqueFd& terminal) {
    winsize window{};
    if (::ioctl(terminal.get(), TIOCGWINSZ, &window) != 0 || window.ws_col == 0 || window.ws_row == 0) {
        return std::nullopt;
    }
    return Size{.columns = window.ws_col, .rows = window.ws_row};
}

void set_window_size(const UniqueFd& terminal, Size size) {
    const winsize window{.ws_row = size.rows, .ws_col = size.columns, .ws_xpixel = 0, .ws_ypixel = 0};
    ::ioctl(terminal.get(), TIOCSWINSZ, &window);
}

} // namespace hvisor::devices::console
