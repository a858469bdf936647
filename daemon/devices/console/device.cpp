// SPDX-License-Identifier: Apache-2.0
#include "devices/console/device.hpp"

#include "base/errno_text.hpp"
#include "base/log.hpp"
#include "devices/console/config.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <fcntl.h>
#include <poll.h>
#include <span>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <utility>

namespace hvisor::devices::console {
namespace {

/// Room in the kernel for a reader that is late, beyond the history.
constexpr int socket_buffer = 1 << 20;
/// Readers are offered output at the latest after this much of it.
constexpr std::size_t pump_size = std::size_t{16} << 10;

virtio::DeviceModel make_model() {
    const Config config{.cols = 80, .rows = 25, .max_nr_ports = 0, .emerg_wr = 0};
    const auto bytes = std::as_bytes(std::span(&config, 1));
    return {.device_id = device_id,
            .features = {f_size},
            .queue_sizes = {queue_size, queue_size},
            .config = std::vector(bytes.begin(), bytes.end())};
}

bool is_hung_up(int fd) {
    pollfd poll_fd{.fd = fd, .events = 0, .revents = 0};
    return ::poll(&poll_fd, 1, 0) == 1;
}

bool has_unread(int fd) {
    int unread = 0;
    return ::ioctl(fd, FIONREAD, &unread) == 0 && unread != 0;
}

} // namespace

ConsoleDevice::ConsoleDevice(virtio::DeviceContext context) : Device(std::move(context), make_model()) {
    auto pty = Pty::open();
    if (!pty) {
        log::warning(log_fields(), "{}; the console is reachable without one", pty.error().message);
        return;
    }
    terminal_ = std::move(pty->terminal);
    pty_path_ = std::move(pty->path);
    owner().call([this, &pty] {
        if (auto added = add(std::move(pty->master), 0, true); !added) {
            log::warning(log_fields(), "{}", added.error().message);
        }
    });
    // Scripts look for these very words.
    log::info(log_fields(), "char device redirected to {}", pty_path_);
}

ConsoleDevice::~ConsoleDevice() {
    owner().call([this] {
        for (const auto& attachment : attachments_) {
            owner().unwatch(attachment.fd());
        }
    });
}

Result<UniqueFd> ConsoleDevice::attach(std::size_t replay, bool read_only) {
    int ends[2] = {-1, -1};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        return fail(ErrorCode::failed, "cannot create a socket for the console: {}", errno_text());
    }
    UniqueFd ours(ends[0]);
    UniqueFd theirs(ends[1]);
    ::fcntl(ours.get(), F_SETFL, O_NONBLOCK);
    if (::setsockopt(ours.get(), SOL_SOCKET, SO_SNDBUFFORCE, &socket_buffer, sizeof socket_buffer) != 0) {
        ::setsockopt(ours.get(), SOL_SOCKET, SO_SNDBUF, &socket_buffer, sizeof socket_buffer);
    }
    if (read_only) {
        ::shutdown(ours.get(), SHUT_RD);
    }
    Result<void> added;
    owner().call([&] {
        const auto kept = history_.end() - history_.begin();
        added = add(std::move(ours), history_.end() - std::min<std::uint64_t>(replay, kept), !read_only);
    });
    if (!added) {
        return std::unexpected(std::move(added).error());
    }
    return theirs;
}

Result<void> ConsoleDevice::add(UniqueFd fd, std::uint64_t position, bool has_input) {
    if (attachments_.size() >= max_attachments) {
        return fail(ErrorCode::resource_busy, "{} are attached to the console already", attachments_.size());
    }
    const int number = fd.get();
    if (auto watched =
            owner().watch(number, 0, [this, number](std::uint32_t events) { handle_event(number, events); });
        !watched) {
        return watched;
    }
    attachments_.emplace_back(std::move(fd), position, has_input && !closing_).pump(history_);
    settle(number);
    return {};
}

Attachment* ConsoleDevice::find(int fd) {
    const auto found = std::ranges::find(attachments_, fd, &Attachment::fd);
    return found != attachments_.end() ? &*found : nullptr;
}

void ConsoleDevice::do_kick(std::size_t queue) {
    if (queue == transmit_queue) {
        serve(transmit_queue);
        pump_all();
        return;
    }
    // New buffers for input: look at everybody again.
    for (auto next = attachments_.begin(); next != attachments_.end();) {
        const int fd = (next++)->fd();
        settle(fd);
    }
}

void ConsoleDevice::do_request(std::size_t, virtio::Chain chain) {
    auto reader = chain.reader();
    while (reader.remaining() != 0) {
        const auto room = history_.room();
        const auto taken = reader.read(room.first(std::min(room.size(), pump_size)));
        history_.commit(taken);
        unpumped_ += taken;
        if (unpumped_ >= pump_size) {
            pump_all();
        }
    }
}

void ConsoleDevice::do_quiesce() {
    closing_ = true;
    for (auto& attachment : attachments_) {
        attachment.end_input();
    }
    pump_all();
    do_kick(receive_queue);
}

void ConsoleDevice::pump_all() {
    unpumped_ = 0;
    for (auto next = attachments_.begin(); next != attachments_.end();) {
        auto& attachment = *next++;
        if (!attachment.is_blocked()) {
            attachment.pump(history_);
            if (attachment.is_blocked() || attachment.is_deaf()) {
                settle(attachment.fd());
            }
        }
    }
}

void ConsoleDevice::handle_event(int fd, std::uint32_t events) {
    auto* attachment = find(fd);
    if (attachment == nullptr) {
        return;
    }
    const bool hung_up = (events & (EPOLLHUP | EPOLLERR)) != 0;
    if (hung_up) {
        attachment->end_output();
    } else if ((events & EPOLLOUT) != 0) {
        attachment->pump(history_);
    }
    // After a hang-up there may still be something typed before it.
    if (attachment->has_input() && (hung_up || (events & EPOLLIN) != 0)) {
        take_input(*attachment);
    }
    settle(fd);
}

bool ConsoleDevice::can_take_input() {
    auto* receive = queue(receive_queue);
    if (receive == nullptr) {
        return false;
    }
    if (receive->has_available() || receive->enable_notifications()) {
        receive->disable_notifications();
        return true;
    }
    return false;
}

void ConsoleDevice::take_input(Attachment& attachment) {
    if (!can_take_input()) {
        return;
    }
    auto chain = pop(receive_queue);
    if (!chain) {
        return;
    }
    const auto writer = chain->writer();
    if (writer.remaining() == 0) {
        require_reset("a receive buffer that is not device-writable");
        return;
    }
    pieces_.clear();
    writer.peek(writer.remaining(), pieces_);
    const auto count = ::readv(attachment.fd(), pieces_.data(),
                               static_cast<int>(std::min<std::size_t>(pieces_.size(), IOV_MAX)));
    if (count > 0) {
        chain->set_written(static_cast<std::size_t>(count));
        chain->complete();
        signal(receive_queue);
        return;
    }
    const int error = errno;
    chain->put_back();
    if (count == 0 || (error != EAGAIN && error != EINTR)) {
        attachment.end_input();
    }
}

void ConsoleDevice::settle(int fd) {
    auto* attachment = find(fd);
    if (attachment == nullptr) {
        return;
    }
    // Nobody reads there: it may be gone, or only have ended its reading.
    const bool hung_up = attachment->is_deaf() && is_hung_up(fd);
    if (hung_up && !has_unread(fd)) {
        attachment->end_input();
    }
    const bool is_finished = attachment->is_deaf() || (closing_ && attachment->is_caught_up(history_));
    if (is_finished && !attachment->has_input()) {
        owner().unwatch(fd);
        attachments_.remove_if([fd](const Attachment& other) { return other.fd() == fd; });
        return;
    }
    const bool wants_input = attachment->has_input() && can_take_input();
    if (hung_up && !wants_input) {
        // That would be reported all the time until there is room for its last words.
        owner().pause(fd);
        return;
    }
    owner().rewatch(fd, (wants_input ? EPOLLIN : 0U) | (attachment->is_blocked() ? EPOLLOUT : 0U));
}

} // namespace hvisor::devices::console
