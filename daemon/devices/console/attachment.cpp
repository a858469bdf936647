// SPDX-License-Identifier: Apache-2.0
#include "devices/console/attachment.hpp"

#include <algorithm>
#include <cerrno>
#include <format>
#include <poll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

namespace hvisor::devices::console {
namespace {

/// To a pty. Half of the history, so that a place in its file that has moved on by so much is not
/// taken for one that has gone back to its beginning.
constexpr std::size_t longest_write = History::capacity / 2;

} // namespace

void Attachment::pump(const History& history) {
    blocked_ = false;
    while (!deaf_) {
        if (position_ < history.begin()) {
            tell(std::format("{} bytes of output missed", history.begin() - position_));
            if (kept_ != nullptr) {
                kept_->at = 0; // that was no write
                keep_order();
            }
            move_to(history.begin());
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
        const auto written = write_some(history);
        if (written > 0) {
            move_to(position_ + static_cast<std::uint64_t>(written));
        } else if (written == 0 || errno == EAGAIN) {
            blocked_ = true;
            return;
        } else if (errno != EINTR) {
            deaf_ = true;
        }
    }
}

Attachment::Attachment(UniqueFd fd, TerminalPosition& kept, int file, std::int64_t offset,
                       const History& history)
    : fd_(std::move(fd)),
      kind_(Kind::terminal),
      position_(kept.position.get()),
      kept_(&kept),
      file_(file),
      offset_(offset),
      has_input_(true) {
    // Another process may have ended between its latest write and its note of it.
    const auto before = offset_ + static_cast<std::int64_t>(History::place_of(position_));
    if (kept.at > before && kept.at - before <= static_cast<std::int64_t>(longest_write)) {
        position_ += static_cast<std::uint64_t>(kept.at - before);
    }
    move_to(std::min(position_, history.end()));
}

void Attachment::move_to(std::uint64_t position) {
    position_ = position;
    if (kept_ != nullptr) {
        kept_->position.commit(position);
        kept_->at = offset_ + static_cast<std::int64_t>(History::place_of(position));
        keep_order();
    }
}

/// To a socket or a pty, as far as it goes.
ssize_t Attachment::write_some(const History& history) {
    if (kept_ == nullptr) {
        const auto pieces = history.from(position_);
        // SIGPIPE is blocked, as every signal on this thread.
        return ::writev(fd_.get(), pieces.data(), pieces.size());
    }
    // As far as the end of the file's part: one write moves on in it, and no further.
    const auto length =
        std::min({history.end() - position_, std::uint64_t{History::capacity - History::place_of(position_)},
                  std::uint64_t{longest_write}});
    return ::sendfile(fd_.get(), file_, &kept_->at, length);
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
