// SPDX-License-Identifier: Apache-2.0
#include "devices/console/attachment.hpp"

#include <cerrno>
#include <format>
#include <sys/uio.h>
#include <unistd.h>

namespace hvisor::devices::console {

void Attachment::pump(const History& history) {
    blocked_ = false;
    while (!deaf_) {
        if (position_ < history.begin()) {
            missed_ =
                std::format("\r\n[hvisord: {} bytes of output missed]\r\n", history.begin() - position_);
            position_ = history.begin();
        }
        if (!missed_.empty()) {
            if (!write_missed()) {
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

bool Attachment::write_missed() {
    const auto written = ::write(fd_.get(), missed_.data(), missed_.size());
    if (written > 0) {
        missed_.erase(0, static_cast<std::size_t>(written));
        return true;
    }
    blocked_ = written == 0 || errno == EAGAIN;
    deaf_ = !blocked_ && errno != EINTR;
    return !blocked_ && !deaf_;
}

} // namespace hvisor::devices::console
