// SPDX-License-Identifier: Apache-2.0
#include "devices/entropy/device.hpp"

#include "base/errno_text.hpp"
#include "devices/entropy/config.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <string.h> // NOLINT(modernize-deprecated-headers): explicit_bzero is not in <cstring>
#include <sys/random.h>
#include <utility>

namespace hvisor::devices::entropy {
namespace {

constexpr std::chrono::milliseconds retry_time{100};
constexpr std::size_t piece_size = 4096;

virtio::DeviceModel make_model() {
    return {.device_id = device_id, .features = {}, .queue_sizes = {queue_size}, .config = {}};
}

} // namespace

ssize_t kernel_random(std::span<std::byte> to) {
    for (;;) {
        const auto count = ::getrandom(to.data(), to.size(), GRND_NONBLOCK);
        if (count >= 0 || errno != EINTR) {
            return count;
        }
    }
}

EntropyDevice::EntropyDevice(virtio::DeviceContext context, Source source, const Throttle::Settings& limit)
    : Device(std::move(context), make_model()),
      source_(std::move(source)),
      throttle_(limit),
      retry_(owner(), [this] { turn([this] { fill_waiting(); }); }) {}

void EntropyDevice::do_request(std::size_t, virtio::Chain chain) {
    // virtio 1.2, 5.4.6.1: a driver adds no device-readable buffers. They do no
    // harm beside a writable one; alone they leave nothing to put a byte into.
    if (chain.writer().remaining() == 0) {
        count_error(request_queue);
        require_reset("a request without a device-writable buffer");
        return;
    }
    waiting_.push_back(std::move(chain));
    // While others wait for the timer this one does, too.
    if (!retry_.is_set()) {
        fill_waiting();
    }
}

std::size_t EntropyDevice::fill(virtio::Chain& chain) {
    auto writer = chain.writer();
    const auto wanted = std::min(writer.remaining(), max_request);
    std::array<std::byte, piece_size> piece; // NOLINT(*-member-init): the source fills it
    std::size_t done = 0;
    while (done < wanted) {
        const auto room = std::span(piece).first(std::min(piece_size, wanted - done));
        const auto count = source_(room);
        if (count <= 0) {
            if (count < 0 && errno != EAGAIN) {
                warn("no random numbers: {}", errno_text());
            }
            break;
        }
        done += writer.write(room.first(static_cast<std::size_t>(count)));
        owner().breathe();
    }
    // What one zone got is not left lying about for the next.
    explicit_bzero(piece.data(), piece.size());
    // virtio 1.2, 5.4.6.2: one byte at least, and it may be less than asked for.
    chain.set_written(done);
    count_bytes(request_queue, done);
    return done;
}

void EntropyDevice::fill_waiting() {
    std::size_t filled = 0;
    for (; filled < waiting_.size(); ++filled) {
        const auto now = Reactor::Clock::now();
        if (!throttle_.is_ready(now)) {
            retry_.set(throttle_.next());
            break;
        }
        const auto bytes = fill(waiting_[filled]);
        if (bytes == 0) {
            retry_.set(now + retry_time);
            break;
        }
        throttle_.take(static_cast<std::uint32_t>(bytes), now);
    }
    waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(filled));
}

void EntropyDevice::do_stop_queue(std::size_t) {
    retry_.cancel();
    waiting_.clear();
}

} // namespace hvisor::devices::entropy
