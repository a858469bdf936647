// SPDX-License-Identifier: Apache-2.0
#include "devices/gpu/renderer.hpp"

#include "base/errno_text.hpp"
#include "devices/gpu/helper_socket.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <format>
#include <poll.h>
#include <sys/epoll.h>
#include <utility>
#include <variant>

namespace hvisor::devices::gpu {
namespace {

/// Before the device has its turn again.
constexpr int answers_at_once = 64;

/// VIRGL and VIRGL2 are all that there are without contexts of other kinds.
constexpr std::size_t most_capsets = 2;

constexpr std::string_view has_ended = "hvisor-gpu-render has ended";
constexpr std::string_view talks_nonsense = "hvisor-gpu-render says what is no message of its own";

} // namespace

Result<UniqueFd> connect_renderer(const std::filesystem::path& socket) {
    auto connected = connect_helper(socket);
    if (!connected) {
        return fail(connected.error().code,
                    "{}; is hvisor-gpu-render installed, and hvisor-gpu-render.socket active?",
                    connected.error().message);
    }
    return connected;
}

Result<std::unique_ptr<Renderer>> Renderer::open(Reactor& owner, RendererSettings settings) {
    std::unique_ptr<Renderer> made(new Renderer(owner, std::move(settings)));
    if (auto connected = made->connect(); !connected) {
        return std::unexpected(std::move(connected).error());
    }
    if (auto ready = made->wait_until_ready(); !ready) {
        return std::unexpected(std::move(ready).error());
    }
    made->capsets_ = made->introduction_.capsets;
    made->name_ = *made->introduction_.name;
    return made;
}

Renderer::Renderer(Reactor& owner, RendererSettings settings)
    : owner_(owner), settings_(std::move(settings)), limit_timer_(owner, [this] {
          lose(introduction_.name
                   ? std::format("hvisor-gpu-render has carried out nothing for {}", settings_.answer_limit)
                   : std::format("hvisor-gpu-render was not ready after {}", settings_.start_limit));
      }) {}

Result<void> Renderer::connect() {
    auto socket = settings_.connect();
    if (!socket) {
        return std::unexpected(std::move(socket).error());
    }
    link_ = std::make_unique<render::Link>(std::move(*socket));
    introduction_ = {};
    is_used_ = false;
    const render::Hello hello{.version = render::protocol_version,
                              .name = text_of<decltype(render::Hello::name)>(settings_.name)};
    if (link_->send(render::encode(hello)) != render::Sent::yes) {
        link_.reset();
        return fail(ErrorCode::io_error, "hvisor-gpu-render takes no message");
    }
    return {};
}

Result<void> Renderer::wait_until_ready() {
    const auto end = Reactor::Clock::now() + settings_.start_limit;
    while (!introduction_.name) {
        auto received = link_->receive();
        if (std::holds_alternative<Nothing>(received)) {
            const auto left =
                std::chrono::ceil<std::chrono::milliseconds>(end - Reactor::Clock::now()).count();
            pollfd wait{.fd = link_->fd(), .events = POLLIN, .revents = 0};
            if (left <= 0 || ::poll(&wait, 1, static_cast<int>(left)) == 0) {
                return fail(ErrorCode::timed_out, "hvisor-gpu-render was not ready after {}",
                            settings_.start_limit);
            }
            continue;
        }
        auto* message = std::get_if<render::Received>(&received);
        if (message == nullptr) {
            return fail(ErrorCode::failed, "{}", has_ended);
        }
        if (auto why = introduce(*message)) {
            return fail(ErrorCode::failed, "{}", *why);
        }
    }
    return {};
}

void Renderer::listen(Listener listener) {
    listener_ = std::move(listener);
    watch();
}

void Renderer::watch() {
    const auto watched = owner_.watch(link_->fd(), EPOLLIN, [this](std::uint32_t events) { serve(events); });
    if (!watched) {
        link_.reset();
        return;
    }
    is_watched_ = true;
}

std::uint32_t Renderer::next_ticket() {
    // 0 is nobody's. After 2^32 orders no old one waits.
    last_ticket_ = std::max(last_ticket_ + 1, 1U);
    return last_ticket_;
}

void Renderer::begin_wait() {
    if (is_lost()) {
        return;
    }
    ++waiting_;
    if (!limit_timer_.is_set()) {
        limit_timer_.set(Reactor::Clock::now() + settings_.answer_limit);
    }
}

void Renderer::send(std::vector<std::byte> bytes, int file) {
    is_used_ = true;
    if (is_lost()) {
        return; // whoever asks hears of it, or has
    }
    // When there is no other side, reading tells.
    if (outgoing_.empty() && link_->send(bytes, file) != render::Sent::full) {
        return;
    }
    UniqueFd kept(file >= 0 ? ::fcntl(file, F_DUPFD_CLOEXEC, 0) : -1);
    outgoing_.push_back({.bytes = std::move(bytes), .file = std::move(kept)});
    owner_.rewatch(link_->fd(), EPOLLIN | EPOLLOUT);
}

void Renderer::serve(std::uint32_t events) {
    if ((events & EPOLLOUT) != 0) {
        flush();
    }
    if ((events & ~std::uint32_t{EPOLLOUT}) != 0) {
        read();
    }
}

void Renderer::flush() {
    while (!outgoing_.empty()) {
        const auto& next = outgoing_.front();
        if (link_->send(next.bytes, next.file.get()) == render::Sent::full) {
            return;
        }
        outgoing_.pop_front();
    }
    owner_.rewatch(link_->fd(), EPOLLIN);
}

void Renderer::read() {
    for (int i = 0; i < answers_at_once && !is_lost(); ++i) {
        auto received = link_->receive();
        if (std::holds_alternative<Nothing>(received)) {
            return;
        }
        auto* message = std::get_if<render::Received>(&received);
        if (const auto why = message != nullptr ? take(*message) : std::string(has_ended)) {
            lose(*why);
            return;
        }
    }
}

std::optional<std::string> Renderer::take(render::Received& message) {
    if (!introduction_.name) {
        auto why = introduce(message);
        if (introduction_.name) {
            // The device has offered those. What is in them may differ: free memory does.
            if (!std::ranges::equal(introduction_.capsets, capsets_, {}, &Capset::id, &Capset::id)) {
                return "hvisor-gpu-render can do something else than when the zone started: start it again";
            }
            capsets_ = introduction_.capsets;
        }
        return why;
    }
    if (const auto done = message.as<render::Done>()) {
        return finish(*done);
    }
    return std::string(talks_nonsense);
}

std::optional<std::string> Renderer::introduce(render::Received& message) {
    if (const auto capset = message.as<render::CapsetBytes>()) {
        if (introduction_.capsets.size() >= most_capsets || capset->size == 0 ||
            capset->size > capset->bytes.size()) {
            return std::string(talks_nonsense);
        }
        introduction_.capsets.push_back(
            {.id = capset->id,
             .version = capset->version,
             .bytes = {capset->bytes.begin(),
                       capset->bytes.begin() + static_cast<std::ptrdiff_t>(capset->size)}});
        return std::nullopt;
    }
    if (const auto ready = message.as<render::Ready>()) {
        if (introduction_.capsets.empty() || ready->capsets != introduction_.capsets.size()) {
            return std::string(talks_nonsense);
        }
        introduction_.name = plain_line(view_of(ready->name));
        // Whoever opens it waits by himself, on another thread than the timer's.
        if (is_watched_) {
            limit_timer_.cancel();
        }
        if (waiting_ != 0) {
            limit_timer_.set(Reactor::Clock::now() + settings_.answer_limit);
        }
        return std::nullopt;
    }
    const auto trouble = message.as<render::Trouble>();
    return trouble ? plain_line(view_of(trouble->text)) : std::string(talks_nonsense);
}

std::optional<std::string> Renderer::finish(const render::Done& done) {
    // Tickets are answered once, in whatever order: which of them are out, their owner knows.
    const auto age = last_ticket_ - done.ticket;
    if (waiting_ == 0 || done.ticket == 0 || age > last_ticket_ - first_ticket_) {
        return "hvisor-gpu-render answers what it was not asked";
    }
    --waiting_;
    limit_timer_.cancel();
    if (waiting_ != 0) {
        limit_timer_.set(Reactor::Clock::now() + settings_.answer_limit);
    }
    listener_.done(Ticket(done.ticket), done.error);
    return std::nullopt;
}

void Renderer::lose(const std::string& why) {
    let_go();
    if (!is_closed_ && listener_.lost) {
        listener_.lost(why);
    }
}

void Renderer::let_go() {
    limit_timer_.cancel();
    outgoing_.clear();
    waiting_ = 0;
    if (link_ != nullptr && std::exchange(is_watched_, false)) {
        owner_.unwatch(link_->fd());
    }
    link_.reset();
}

void Renderer::renew() {
    if (is_closed_ || (!is_used_ && !is_lost())) {
        return;
    }
    let_go();
    first_ticket_ = last_ticket_ + 1;
    if (!connect()) {
        return; // the driver hears of it when it asks for something
    }
    watch();
    limit_timer_.set(Reactor::Clock::now() + settings_.start_limit);
}

void Renderer::close() {
    is_closed_ = true;
    let_go();
}

} // namespace hvisor::devices::gpu
