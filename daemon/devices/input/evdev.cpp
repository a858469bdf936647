// SPDX-License-Identifier: Apache-2.0
#include "devices/input/evdev.hpp"

#include "base/errno_text.hpp"

#include <array>
#include <cerrno>
#include <format>
#include <linux/input.h>
#include <span>
#include <sys/epoll.h>
#include <unistd.h>

namespace hvisor::devices::input {
namespace {

/// Far more than a device tells at once.
constexpr std::size_t longest_group = 512;
constexpr std::size_t events_a_read = 64;
/// Reads of one turn; the next one comes at once when there are more.
constexpr int most_reads = 16;

/// How long keys may stay down before the device is taken away from those who
/// have seen them go down.
constexpr std::chrono::milliseconds key_time{100};
constexpr unsigned most_waits = 20;

input_event to_kernel(const Event& event) {
    input_event kernel{};
    kernel.type = std::to_underlying(event.type);
    kernel.code = event.code;
    kernel.value = event.value;
    return kernel;
}

} // namespace

Result<std::unique_ptr<EvdevBackend>> EvdevBackend::open(EvdevSettings settings, OpenEvdev opener) {
    auto file = opener(settings.path);
    if (!file) {
        return std::unexpected(std::move(file).error());
    }
    auto capabilities = read_capabilities(**file);
    if (!capabilities) {
        return std::unexpected(std::move(capabilities).error().with_context(settings.path));
    }
    auto reactor =
        Reactor::start({.name = std::format("evdev-{}", settings.about.zone), .cpus = {}, .on_crash = {}});
    if (!reactor) {
        return std::unexpected(std::move(reactor).error());
    }
    return std::unique_ptr<EvdevBackend>(new EvdevBackend(std::move(settings), std::move(opener),
                                                          std::move(*file), std::move(*capabilities),
                                                          std::move(*reactor)));
}

EvdevBackend::EvdevBackend(EvdevSettings settings, OpenEvdev opener, std::unique_ptr<EvdevFile> file,
                           Capabilities capabilities, std::unique_ptr<Reactor> reactor)
    : settings_(std::move(settings)),
      opener_(std::move(opener)),
      capabilities_(std::move(capabilities)),
      limit_(settings_.about),
      file_(std::move(file)),
      reactor_(std::move(reactor)),
      retry_(*reactor_, [this] { update(); }),
      waker_(*reactor_, [this] { update(); }) {}

EvdevBackend::~EvdevBackend() {
    release();
}

void EvdevBackend::begin() {
    is_wanted_ = true;
    waker_.wake();
}

void EvdevBackend::end() {
    is_wanted_ = false;
    waker_.wake();
}

void EvdevBackend::release() {
    is_wanted_ = false;
    reactor_->call([this] { stop(); });
}

void EvdevBackend::set(const Event& status) {
    {
        const std::scoped_lock guard(lock_);
        status_.insert_or_assign({status.type, status.code}, status.value);
        is_status_new_ = true;
    }
    waker_.wake();
}

void EvdevBackend::update() {
    if (!is_wanted_) {
        stop();
        return;
    }
    if (!is_watched_ && !retry_.is_set()) {
        start();
    }
    write_status();
}

void EvdevBackend::look_again(Reactor::Clock::duration soon) {
    retry_.set(Reactor::Clock::now() + soon);
}

bool EvdevBackend::reopen() {
    auto file = opener_(settings_.path);
    if (!file) {
        if (!std::exchange(is_missed_, true)) {
            limit_.warning("{}; the zone has it again when it is back", file.error().message);
        }
        return false;
    }
    file_ = std::move(*file);
    const std::scoped_lock guard(lock_);
    is_status_new_ = true; // LEDs of one that was just plugged in are dark
    return true;
}

bool EvdevBackend::take_grab() {
    if (!settings_.grab) {
        return true;
    }
    // Whoever has seen a key go down, the console for example, would wait for
    // its release, and repeat it until then.
    if (has_key_down(*file_) && waits_++ < most_waits) {
        look_again(key_time);
        return false;
    }
    waits_ = 0;
    // Any pointer but null: it says yes, and nothing is read from it.
    if (file_->call(EVIOCGRAB, this) == 0) {
        is_taken_ = false;
        return true;
    }
    if (errno == ENODEV) {
        file_.reset();
    } else if (!std::exchange(is_taken_, true)) {
        limit_.warning("{} cannot be had alone: {}; the zone has it when nobody else does", settings_.path,
                       errno_text());
    }
    look_again(look_time);
    return false;
}

void EvdevBackend::start() {
    if (!file_ && !reopen()) {
        look_again(look_time);
        return;
    }
    if (!take_grab()) {
        return;
    }
    // What happened before is not the zone's.
    std::array<input_event, events_a_read> old{};
    while (::read(file_->fd(), old.data(), sizeof old) > 0) {
    }
    group_.clear();
    is_group_lost_ = false;
    if (auto watched = reactor_->watch(file_->fd(), EPOLLIN, [this](std::uint32_t events) { read(events); });
        !watched) {
        limit_.warning("{}: {}", settings_.path, watched.error().message);
        file_.reset();
        look_again(look_time);
        return;
    }
    is_watched_ = true;
    if (std::exchange(is_missed_, false)) {
        limit_.warning("{} is back", settings_.path);
    }
}

void EvdevBackend::stop() {
    retry_.cancel();
    waits_ = 0;
    if (std::exchange(is_watched_, false)) {
        reactor_->unwatch(file_->fd());
        sink_.release_all();
    }
    file_.reset(); // which ends a grab, too
}

void EvdevBackend::lose() {
    limit_.warning("{} is gone; the zone has it again when it is back", settings_.path);
    stop();
    is_missed_ = true;
    look_again(look_time);
}

void EvdevBackend::read(std::uint32_t events) {
    for (int i = 0; i < most_reads; ++i) {
        std::array<input_event, events_a_read> kernel; // NOLINT(*-member-init): read fills it
        const auto count = ::read(file_->fd(), kernel.data(), sizeof kernel);
        if (count < 0 && (errno == EAGAIN || errno == EINTR)) {
            break;
        }
        if (count <= 0) {
            lose();
            return;
        }
        for (const auto& event :
             std::span(kernel).first(static_cast<std::size_t>(count) / sizeof kernel[0])) {
            take({.type = static_cast<EventType>(event.type), .code = event.code, .value = event.value});
        }
    }
    if ((events & (EPOLLHUP | EPOLLERR)) != 0) {
        lose();
    }
}

void EvdevBackend::take(const Event& event) {
    const bool is_sync = event.type == EventType::synchronization;
    if (is_sync && event.code == SYN_REPORT) {
        if (std::exchange(is_group_lost_, false)) {
            group_ = read_state(*file_, capabilities_);
        }
        sink_.put(group_);
        group_.clear();
        return;
    }
    is_group_lost_ |= (is_sync && event.code == SYN_DROPPED) || group_.size() >= longest_group;
    // The guest was told that such a keyboard repeats, and does it itself.
    const bool is_repeated =
        event.type == EventType::key && event.value == key_repeated && capabilities_.has(EventType::repeat);
    if (!is_group_lost_ && !is_repeated) {
        group_.push_back(event);
    }
}

void EvdevBackend::write_status() {
    if (!is_watched_) {
        return;
    }
    std::vector<input_event> kernel;
    {
        const std::scoped_lock guard(lock_);
        if (!std::exchange(is_status_new_, false)) {
            return;
        }
        for (const auto& [what, value] : status_) {
            kernel.push_back(to_kernel({.type = what.first, .code = what.second, .value = value}));
        }
    }
    kernel.push_back(to_kernel(report));
    const auto size = kernel.size() * sizeof kernel[0];
    // One that is gone says so when it is read.
    if (::write(file_->fd(), kernel.data(), size) != static_cast<ssize_t>(size) && errno != ENODEV) {
        limit_.warning("{}: its LEDs cannot be set: {}", settings_.path, errno_text());
    }
}

} // namespace hvisor::devices::input
