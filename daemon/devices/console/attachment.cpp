// SPDX-License-Identifier: Apache-2.0
#include "devices/console/attachment.hpp"

#include <cerrno>
#include <format>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

namespace hvisor::devices::console {

void Attachment::pump(const History& history) {
    blocked_ = false;
    while (!deaf_) {
        if (position_ < history.begin()) {
            tell(std::format("{} bytes of output missed", history.begin() - position_));
            position_ = history.begin();
        }
        if (!notice_.empty()) {
            if (!write_notice()) {
                return;
            }
            continue;
        }
        if (position_ == history.end()) {
            return;
        }
        const auto pieces = history.from(position_);
        // SIGPIPE is blocked, as every signal on this thread.
        const auto written = ::writev(fd_.get(), pieces.data(), pieces.size());
        if (written > 0) {
            position_ += static_cast<std::uint64_t>(written);
        } else if (written == 0 || errno == EAGAIN) {
            blocked_ = true;
            return;
        } else if (errno != EINTR) {
            deaf_ = true;
        }
    }
}

void Attachment::tell(std::string_view line) {
    notice_ += std::format("\r\n[hvisord: {}]\r\n", line);
}

bool Attachment::write_notice() {
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
