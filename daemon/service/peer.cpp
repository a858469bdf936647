// SPDX-License-Identifier: Apache-2.0
#include "service/peer.hpp"

#include "base/errno_text.hpp"
#include "base/log.hpp"

#include <cstdint>
#include <exception>
#include <utility>

namespace hvisor::service {
namespace {

// Signals and replies that wait for the other side to read, beyond the 8 MB that
// sd-bus lets the socket take. sd-bus itself would keep 384 thousand.
constexpr std::uint64_t max_unread = 256;

constexpr const char* local = "org.freedesktop.DBus.Local";
constexpr const char* local_path = "/org/freedesktop/DBus/Local";

} // namespace

Peer::Peer(MakeObjects make_objects, Gone gone)
    : make_objects_(std::move(make_objects)), gone_(std::move(gone)) {}

Peer::~Peer() {
    // Without this what it has not read would be waited for.
    sd_bus_close(bus_.get());
}

Result<std::unique_ptr<Peer>> Peer::create(MainLoop& loop, UniqueFd socket, MakeObjects make_objects,
                                           Gone gone) {
    std::unique_ptr<Peer> peer(new Peer(std::move(make_objects), std::move(gone)));
    return peer->start(loop, std::move(socket)).transform([&] { return std::move(peer); });
}

Result<void> Peer::start(MainLoop& loop, UniqueFd socket) {
    sd_bus* bus = nullptr;
    sd_id128_t server{};
    int result = sd_bus_new(&bus);
    bus_.reset(bus);
    const auto then = [&](auto step) { result = result < 0 ? result : step(); };
    then([&] { return sd_id128_randomize(&server); });
    then([&] { return sd_bus_set_description(bus, "control socket"); });
    then([&] { return sd_bus_set_fd(bus, socket.get(), socket.get()); });
    if (result >= 0) {
        static_cast<void>(socket.release()); // sd-bus closes it
    }
    then([&] { return sd_bus_set_server(bus, 1, server); });
    then([&] { return sd_bus_negotiate_fds(bus, 1); });
    // A bus would name the sender; who waits for signals by it gets them here as well.
    then([&] { return sd_bus_set_sender(bus, "org.syswonder.hvisor1"); });
    then([&] { return sd_bus_set_connected_signal(bus, 1); });
    // The end of the loop does not wait for others to read.
    then([&] { return sd_bus_set_close_on_exit(bus, 0); });
    then([&] { return sd_bus_add_filter(bus, nullptr, on_message, this); });
    then([&] {
        return sd_bus_match_signal(bus, nullptr, local, local_path, local, "Connected", on_connected, this);
    });
    then([&] {
        return sd_bus_match_signal(bus, nullptr, local, local_path, local, "Disconnected", on_disconnected,
                                   this);
    });
    then([&] { return sd_bus_attach_event(bus, loop.handle(), SD_EVENT_PRIORITY_NORMAL); });
    then([&] { return sd_bus_start(bus); });
    if (result < 0) {
        return fail(ErrorCode::io_error, "control socket: {}", errno_text(-result));
    }
    return {};
}

// Comes before the other side's first call.
int Peer::on_connected(sd_bus_message* /*message*/, void* data, sd_bus_error* /*error*/) {
    auto* self = static_cast<Peer*>(data);
    try {
        self->connection_ = sdbus::createBusConnection(sd_bus_ref(self->bus_.get()));
        self->objects_ = self->make_objects_(*self->connection_);
        sd_event_source* source = nullptr;
        if (sd_event_add_defer(sd_bus_get_event(self->bus_.get()), &source, on_deferred, self) >= 0) {
            self->deferred_.reset(source);
        }
    } catch (const std::exception& error) {
        log::warning("control socket: {}", error.what());
        self->leave();
    }
    return 0;
}

int Peer::on_disconnected(sd_bus_message* /*message*/, void* data, sd_bus_error* /*error*/) {
    static_cast<Peer*>(data)->leave();
    return 0;
}

// What came together with the last word of the authentication is in sd-bus's
// buffer, where it stays until the socket has more.
int Peer::on_deferred(sd_event_source* source, void* data) {
    auto* self = static_cast<Peer*>(data);
    if (sd_bus_process(self->bus_.get(), nullptr) > 0) {
        sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
    }
    return 0;
}

// Each call makes an answer: one that comes from who does not read is not taken.
int Peer::on_message(sd_bus_message* /*message*/, void* data, sd_bus_error* /*error*/) {
    return static_cast<Peer*>(data)->leave_if_deaf() ? 1 : 0;
}

bool Peer::leave_if_deaf() {
    std::uint64_t unread = 0;
    if (sd_bus_get_n_queued_write(bus_.get(), &unread) < 0 || unread <= max_unread) {
        return false;
    }
    log::warning("control socket: a program does not read what it is sent: {} messages wait; it is left",
                 unread);
    // At once, and with all that waits: leave() has its turn after the jobs before it.
    sd_bus_close(bus_.get());
    leave();
    return true;
}

void Peer::leave() {
    if (auto gone = std::exchange(gone_, {})) {
        gone(this);
    }
}

void Peer::update(const std::vector<zone::ZoneState>& zones) {
    if (!objects_) {
        return;
    }
    try {
        objects_->update(zones);
    } catch (const sdbus::Error&) {
        leave(); // the others must not miss what it can't be told
        return;
    }
    static_cast<void>(leave_if_deaf());
}

} // namespace hvisor::service
