// SPDX-License-Identifier: Apache-2.0
#include "devices/console/port.hpp"

#include <algorithm>
#include <chrono>
#include <poll.h>
#include <ranges>
#include <span>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <utility>
#include <vector>

namespace hvisor::devices::console {
namespace {

/// Readers are offered output at the latest after this much of it: half of the
/// history, so that what is new is still there when it is offered.
constexpr std::size_t pump_size = History::capacity / 2;
/// And at the latest after this time. Waking a reader costs as much as copying
/// some 10 KiB.
constexpr std::chrono::microseconds offer_pause{200};

bool is_hung_up(int fd) {
    pollfd poll_fd{.fd = fd, .events = 0, .revents = 0};
    return ::poll(&poll_fd, 1, 0) == 1;
}

bool has_unread(int fd) {
    int unread = 0;
    return ::ioctl(fd, FIONREAD, &unread) == 0 && unread != 0;
}

std::uint64_t client_of(const ClientPosition& place) {
    return place.client.get();
}

/// Neither its end nor ours has said that no more comes.
bool takes_more(int fd) {
    pollfd poll_fd{.fd = fd, .events = POLLRDHUP, .revents = 0};
    return ::poll(&poll_fd, 1, 0) == 0;
}

TypedInput make_typed(PortHost& host, TypedState& state, UniqueFd pipe) {
    const auto place = host.place_of(reinterpret_cast<const std::byte*>(&state));
    return {std::move(pipe), state, place.file, place.offset};
}

} // namespace

Port::Port(PortHost& host, std::size_t number, PortOptions options, PortContent& content, UniqueFd pipe)
    : host_(host),
      number_(number),
      options_(std::move(options)),
      content_(content),
      typed_(make_typed(host, content.typed, std::move(pipe))) {}

Result<void> Port::add_terminal(Pty pty) {
    set_window_size(pty.terminal, size());
    terminal_ = std::move(pty.terminal);
    pty_path_ = std::move(pty.path);
    const auto place = host_.place_of(content_.history.bytes());
    return add(
        Attachment(std::move(pty.master), std::make_unique<TerminalCursor>(content_.terminal, place.file,
                                                                           place.offset, content_.history)));
}

PortFiles Port::files() const {
    const auto master = std::ranges::find_if(attachments_, &Attachment::is_terminal);
    return {.master = master != attachments_.end() ? master->fd() : -1,
            .terminal = terminal_.get(),
            .pipe = typed_.fd()};
}

Result<void> Port::add_stream(UniqueFd fd, std::uint64_t client, const AttachOptions& options) {
    const bool has_input = !options.read_only && !ended_;
    const auto place = std::ranges::find(content_.clients, 0U, client_of);
    if (place == content_.clients.end()) {
        return fail(ErrorCode::resource_busy, "{} are attached to the console already", streams());
    }
    if (has_input) {
        if (auto taken = take_over(options.force); !taken) {
            return taken;
        }
    }
    const auto kept = content_.history.end() - content_.history.begin();
    const auto position = content_.history.end() - std::min<std::uint64_t>(options.replay, kept);
    auto added =
        add(Attachment(std::move(fd), std::make_unique<ClientCursor>(*place, client, position), has_input));
    if (!added) {
        free_place(client);
    }
    return added;
}

void Port::resume_streams(std::map<std::uint64_t, UniqueFd> streams) {
    for (auto& place : content_.clients) {
        if (!streams.contains(place.client.get())) {
            place.client.set(0);
        }
    }
    for (auto& [client, stream] : streams) {
        const auto place = std::ranges::find(content_.clients, client, client_of);
        const bool has_input = takes_more(stream.get()) || has_unread(stream.get());
        // One without a place has never got its end of the stream.
        if (place == content_.clients.end() ||
            !add(Attachment(std::move(stream), std::make_unique<ClientCursor>(*place, content_.history),
                            has_input))) {
            free_place(client);
            host_.has_left(number_, client);
        }
    }
}

void Port::free_place(std::uint64_t client) {
    const auto place = std::ranges::find(content_.clients, client, client_of);
    if (place != content_.clients.end()) {
        place->client.commit(0);
    }
}

Result<void> Port::take_over(bool force) {
    const auto present = std::ranges::find_if(attachments_, [](const Attachment& attachment) {
        return !attachment.is_terminal() && attachment.is_typing();
    });
    if (present == attachments_.end()) {
        return {};
    }
    if (!force) {
        return fail(ErrorCode::resource_busy,
                    "another client has the console's input: attach read-only to watch, or with force to "
                    "take the input over");
    }
    present->close_input();
    if (!has_unread(present->fd())) {
        present->end_input();
    }
    present->tell("another client has taken the input; you only watch now");
    return {};
}

Result<void> Port::add(Attachment attachment) {
    const int number = attachment.fd();
    if (auto watched =
            host_.watch(number, [this, number](std::uint32_t events) { handle_event(number, events); });
        !watched) {
        return watched;
    }
    attachments_.push_back(std::move(attachment));
    pump();
    settle(number);
    settle_turn();
    return {};
}

Attachment* Port::find(int fd) {
    const auto found = std::ranges::find(attachments_, fd, &Attachment::fd);
    return found != attachments_.end() ? &*found : nullptr;
}

int Port::typist() const {
    int terminal = -1;
    for (const auto& attachment : attachments_) {
        if (attachment.has_input() && !attachment.is_terminal()) {
            return attachment.fd();
        }
        if (attachment.has_input()) {
            terminal = attachment.fd();
        }
    }
    return terminal;
}

void Port::print(const virtio::Chain& chain) {
    auto reader = chain.reader();
    if (content_.printed_chain.get() == chain.order()) {
        reader.skip(std::min<std::uint64_t>(reader.remaining(),
                                            content_.history.end() - content_.printed_from.get()));
    } else {
        content_.printed_from.set(content_.history.end());
        content_.printed_chain.commit(chain.order());
    }
    while (reader.remaining() != 0) {
        const auto room = content_.history.room();
        const auto taken = reader.read(room.first(std::min(room.size(), pump_size)));
        if (lines_) {
            lines_->take(room.first(taken));
        }
        content_.history.commit(taken);
        unpumped_ += taken;
        if (unpumped_ >= pump_size) {
            pump();
        }
    }
}

void Port::print(std::byte byte) {
    content_.history.room().front() = byte;
    content_.history.commit(1);
    if (lines_) {
        lines_->take(std::span(&byte, 1));
    }
}

void Port::pump() {
    unpumped_ = 0;
    for (auto next = attachments_.begin(); next != attachments_.end();) {
        auto& attachment = *next++;
        if (!attachment.is_blocked()) {
            attachment.pump(content_.history);
            if (attachment.is_blocked() || attachment.is_deaf()) {
                settle(attachment.fd());
            }
        }
    }
    settle_turn();
}

std::optional<Reactor::Clock::time_point> Port::offer(Reactor::Clock::time_point now) {
    if (unpumped_ == 0) {
        return std::nullopt;
    }
    if (now < next_offer_) {
        return next_offer_;
    }
    next_offer_ = now + offer_pause;
    pump();
    return std::nullopt;
}

void Port::look_again() {
    take_typed();
    settle_all();
    settle_turn();
}

bool Port::set_size(Size size) {
    if (size == this->size()) {
        return false;
    }
    content_.columns.set(size.columns);
    content_.rows.set(size.rows);
    set_window_size(terminal_, size);
    return true;
}

void Port::show_anew() {
    set_window_size(terminal_, size());
    pump();
    look_again();
}

void Port::close() {
    for (const auto& attachment : attachments_) {
        host_.reactor().unwatch(attachment.fd());
    }
    attachments_.clear();
}

void Port::end() {
    ended_ = true;
    for (auto& attachment : attachments_) {
        attachment.end_input();
    }
    pump();
    look_again();
}

void Port::handle_event(int fd, std::uint32_t events) {
    auto* attachment = find(fd);
    if (attachment == nullptr) {
        return;
    }
    const bool hung_up = (events & (EPOLLHUP | EPOLLERR)) != 0;
    if (hung_up) {
        attachment->end_output();
    } else if ((events & EPOLLOUT) != 0) {
        attachment->pump(content_.history);
    }
    // After a hang-up there may still be something typed before it.
    if (attachment->has_input() && (hung_up || (events & EPOLLIN) != 0)) {
        take_input(*attachment);
    }
    settle(fd);
    settle_turn();
}

void Port::take_input(Attachment& attachment) {
    if (attachment.fd() != typist()) {
        if (attachment.is_terminal() && !std::exchange(terminal_was_told_, true)) {
            attachment.tell("another client has the input; what you type waits until it leaves");
            attachment.pump(content_.history);
        }
        return;
    }
    if (attachment.is_terminal()) {
        terminal_was_told_ = false;
        follow_terminal();
    }
    if (host_.takes_input(number_) && host_.read_typed(number_, typed_, attachment.fd()) == Input::ended) {
        attachment.end_input();
    }
    take_typed();
}

void Port::take_typed() {
    // More than that only from the one whose turn it is.
    while (typed_.has_more() && host_.takes_input(number_) &&
           host_.read_typed(number_, typed_, -1) == Input::taken) {
    }
}

// Nobody is told of a new size but the terminal's foreground processes, so it
// is looked at when somebody uses it.
void Port::follow_terminal() {
    const auto window = window_size(terminal_);
    if (window && set_size(*window)) {
        host_.resized(number_);
    }
}

void Port::settle_all() {
    std::vector<int> fds;
    std::ranges::transform(attachments_, std::back_inserter(fds), &Attachment::fd);
    std::ranges::for_each(fds, [this](int fd) { settle(fd); });
}

void Port::settle_turn() {
    while (last_typist_ != typist()) {
        last_typist_ = typist();
        settle_all();
    }
    const auto* owner = find(last_typist_);
    has_typist_.set(owner != nullptr && !owner->is_terminal());
    streams_.set(static_cast<std::size_t>(std::ranges::count(attachments_, false, &Attachment::is_terminal)));
}

void Port::leave(const Attachment& attachment) {
    const int fd = attachment.fd();
    host_.reactor().unwatch(fd);
    if (!attachment.is_terminal()) {
        free_place(attachment.client());
        host_.has_left(number_, attachment.client());
    }
    attachments_.remove_if([fd](const Attachment& other) { return other.fd() == fd; });
}

void Port::settle(int fd) {
    auto* attachment = find(fd);
    if (attachment == nullptr) {
        return;
    }
    // Nobody reads there: it may be gone, or only have ended its reading.
    const bool hung_up = attachment->is_deaf() && is_hung_up(fd);
    if (hung_up && !has_unread(fd)) {
        attachment->end_input();
    }
    const bool is_finished = attachment->is_deaf() || (ended_ && attachment->is_caught_up(content_.history));
    if (is_finished && !attachment->has_input()) {
        leave(*attachment);
        return;
    }
    const bool has_turn = fd == typist();
    // A terminal that has to wait is told so, once somebody types there.
    const bool wants_input =
        attachment->has_input() &&
        (has_turn ? host_.takes_input(number_) : attachment->is_terminal() && !terminal_was_told_);
    if (hung_up && !wants_input) {
        // That would be reported all the time until there is room for its last words.
        host_.reactor().pause(fd);
        return;
    }
    host_.reactor().rewatch(fd, (wants_input ? EPOLLIN : 0U) | (attachment->is_blocked() ? EPOLLOUT : 0U));
}

} // namespace hvisor::devices::console
