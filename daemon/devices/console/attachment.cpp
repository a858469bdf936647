// SPDX-License-Identifier: Apache-2.0
#include "devices/console/attachment.hpp"

#include <cerrno>
#include <format>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace hvisor::devices::console {

void Attachment::pump(const History& history) {
    blocked_ = false;
    while (!deaf_) {
        const auto position = cursor_->position();
        if (position < history.begin()) {
            tell(std::format("{} bytes of output missed", history.begin() - position));
            cursor_->skip_to(history.begin());
        }
        if (!notice_.empty()) {
            if (!write_notice()) {
                return;
            }
            continue;
        }
        if (cursor_->position() == history.end()) {
            return;
        }
        const auto written = cursor_->send(fd_.get(), history);
        if (written == 0 || (written < 0 && errno == EAGAIN)) {
            blocked_ = true;
            return;
        }
        if (written < 0 && errno != EINTR) {
            deaf_ = true;
        }
    }
}

void Attachment::tell(std::string_view line) {
    notice_ += std::format("\r\n[hvisord: {}]\r\n", line);
}

bool Attachment::write_notice() {
    // SIGPIPE is blocked, as every signal on this thread.
    const auto written = ::write(fd_.get(), notice_.data(), notice_.size());
    if (written > 0) {
        notice_.erase(0, static_cast<std::size_t>(written));
        return true;
    }
    blocked_ = written == 0 || errno == EAGAIN;
    deaf_ = !blocked_ && errno != EINTR;
    return !blocked_ && !deaf_;
}

void Attachment::close_input() const {
    // Its peer gets EPIPE from now on; what is queued can still be read here.
    ::shutdown(fd_.get(), SHUT_RD);
}

bool Attachment::is_typing() const {
    pollfd poll_fd{.fd = fd_.get(), .events = POLLRDHUP, .revents = 0};
    return has_input_ && ::poll(&poll_fd, 1, 0) == 0;
}

} // namespace hvisor::devices::console
