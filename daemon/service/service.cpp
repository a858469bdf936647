// SPDX-License-Identifier: Apache-2.0
#include "service/service.hpp"

#include "base/log.hpp"
#include "service/bus_values.hpp"

#include <systemd/sd-daemon.h>

#include <chrono>
#include <format>
#include <unistd.h>
#include <utility>

namespace hvisor::service {
namespace {

const sdbus::ServiceName bus_name{"org.syswonder.hvisor1"};

// How late a zone that ended by itself may be noticed, and a device's status
// be announced.
constexpr std::chrono::seconds refresh_period{1};

/// "2 zones running, 4 devices": the root zone is not counted.
std::string summary(const std::vector<zone::ZoneState>& states) {
    std::size_t zones = 0;
    std::size_t devices = 0;
    for (const auto& state : states) {
        if (state.id != 0 && state.state == zone::State::running) {
            zones += 1;
            devices += state.devices.size();
        }
    }
    return std::format("{} zone{} running, {} device{}", zones, zones == 1 ? "" : "s", devices,
                       devices == 1 ? "" : "s");
}

/// Names of the zones that use devices of this daemon now.
std::string served_zones(const std::vector<zone::ZoneState>& states) {
    std::string names;
    for (const auto& state : states) {
        if (state.state != zone::State::stopped && !state.devices.empty()) {
            names += names.empty() ? state.name : ", " + state.name;
        }
    }
    return names;
}

} // namespace

Service::Service(MainLoop& loop, const Foundation& foundation, std::optional<ListeningSocket> socket,
                 bool is_succeeded, OwnSuccessor* successor)
    : loop_(loop),
      hypervisor_(foundation.hypervisor),
      trap_loop_(foundation.trap_loop),
      zones_(foundation.zones),
      listening_(std::move(socket)),
      look_again_([this] { update_soon(); }),
      control_(loop, "control"),
      files_(loop, "files"),
      jobs_(look_again_),
      calls_(control_, [this] { update(); }),
      file_calls_(files_, [this] { update(); }),
      actions_(zones_, calls_, file_calls_, jobs_, power_offs_),
      device_actions_(zones_, calls_, file_calls_),
      key_strokes_(loop_),
      is_succeeded_(is_succeeded),
      successor_(successor) {}

Service::~Service() {
    zones_.on_change({});
    // A call that came in while the loop was quitting holds a message of its
    // connection until it is answered.
    control_.join();
    loop_.run_posted(); // which may ask the other thread for something
    files_.join();
    loop_.run_posted();
}

Result<std::unique_ptr<Service>> Service::create(MainLoop& loop, const Foundation& foundation,
                                                 ServiceOptions options) {
    auto socket = ListeningSocket::open(options.listen, std::move(options.socket));
    if (!socket) {
        return std::unexpected(std::move(socket.error()));
    }
    std::unique_ptr<Service> service(
        new Service(loop, foundation, std::move(*socket), options.is_succeeded, options.successor));
    service->look_for_hypervisor();
    try {
        service->connect(options.bus);
    } catch (const sdbus::Error& error) {
        return fail(ErrorCode::failed, "cannot serve the {} bus: {}",
                    options.bus.empty() ? "system" : options.bus, error.getMessage());
    }
    zone::ZoneManager& zones = foundation.zones;
    zones.on_change([self = service.get()] { self->update_soon(); });
    if (const int fd = zones.definitions_fd(); fd >= 0) {
        auto watched = loop.on_readable(fd, [self = service.get()] { self->refresh_definitions(); });
        if (!watched) {
            return std::unexpected(std::move(watched.error()));
        }
    }
    if (!options.device.empty() && !service->hypervisor_.presence().is_attached) {
        const auto watched = loop.on_appearance(options.device, [self = service.get()] { self->refresh(); });
        if (!watched) {
            log::debug("{} is found up to {} late: {}", options.device.native(), refresh_period,
                       watched.error().message);
        }
    }
    auto watchdog = Watchdog::create(loop, foundation.trap_loop);
    if (!watchdog) {
        return std::unexpected(std::move(watchdog.error()));
    }
    service->watchdog_ = std::move(*watchdog);
    return loop.every(refresh_period, [self = service.get()] { self->refresh(); }).transform([&] {
        return std::move(service);
    });
}

void Service::connect(const std::string& bus) {
    try {
        bus_ = MessageBus::open(bus);
    } catch (const sdbus::Error& error) {
        if (!bus.empty() || !listening_) {
            throw;
        }
        log::info("there is no system bus ({}): hvisorctl reaches this daemon by its socket alone",
                  error.getMessage());
        return;
    }
    auto& connection = *bus_->connection;
    polkit_.emplace(*bus_->handle, connection);
    bus_objects_ = make_objects(connection, *polkit_);
    connection.attachSdEventLoop(loop_.handle());
}

std::unique_ptr<Objects> Service::make_objects(sdbus::IConnection& connection, Authority& authority) {
    return std::make_unique<Objects>(ObjectContext{.connection = connection,
                                                   .authority = authority,
                                                   .zones = zones_,
                                                   .actions = actions_,
                                                   .device_actions = device_actions_,
                                                   .jobs = jobs_,
                                                   .key_strokes = key_strokes_,
                                                   .hypervisor = hypervisor_,
                                                   .calls = std::make_shared<OpenCalls>(look_again_)});
}

Result<void> Service::publish() {
    update();
    return take_name().and_then([this] { return serve_socket(); }).transform([] { sd_notify(0, "READY=1"); });
}

Result<void> Service::take_name() {
    if (!bus_) {
        return {};
    }
    try {
        bus_->connection->requestName(bus_name);
    } catch (const sdbus::Error& error) {
        return fail(ErrorCode::resource_busy, "cannot take the name {}: {} (does another hvisord run?)",
                    std::string_view(bus_name), error.getMessage());
    }
    return {};
}

Result<void> Service::serve_socket() {
    if (!listening_) {
        return {};
    }
    auto socket = ControlSocket::create(
        loop_, *std::exchange(listening_, std::nullopt), [this](auto& connection, bool is_root) {
            return make_objects(connection, is_root ? root_peers_ : other_peers_);
        });
    if (!socket) {
        return std::unexpected(std::move(socket.error()));
    }
    socket_ = std::move(*socket);
    return {};
}

void Service::update_objects(const std::vector<zone::ZoneState>& zones) {
    if (bus_objects_) {
        bus_objects_->update(zones);
    }
    if (socket_) {
        socket_->update(zones);
    }
}

void Service::update() {
    update_pending_ = false;
    const auto zones = zones_.zones(); // one look for all connections
    update_objects(zones);
    power_offs_.update(zones);
    const auto presence = hypervisor_.presence();
    stalls_.update(zones);
    if (presence.is_attached) {
        loop_.end_appearance(); // it stays
    }
    auto status =
        presence.is_attached ? summary(zones) + stalls_.summary() : "No hypervisor: " + presence.reason;
    if (status != status_ && !is_stopping_) {
        status_ = std::move(status);
        sd_notify(0, ("STATUS=" + status_).c_str());
    }
}

// One start changes much at once; one update shows all of it.
void Service::update_soon() {
    if (!update_pending_.exchange(true)) {
        loop_.post([this] { update(); });
    }
}

// The answer is announced by update().
void Service::look_for_hypervisor() {
    if (!hypervisor_.attach(trap_loop_, [this] { zones_.resume(); })) {
        return;
    }
    if (const auto now = hypervisor_.presence(); now.is_attached) {
        log::info({.event = log::Event::hypervisor_attached}, "attached to the hypervisor");
    } else {
        log::warning({.event = log::Event::hypervisor_absent},
                     "no hypervisor to work with: {}; it is looked for again and again", now.reason);
    }
}

void Service::refresh() {
    // While the control thread is busy, or waits for a disk that hangs, one request is enough;
    // looking needs no more than this thread.
    if (std::exchange(refresh_pending_, true)) {
        update();
        return;
    }
    control_.submit<void>(
        [this]() -> Result<void> {
            look_for_hypervisor();
            zones_.refresh();
            return {};
        },
        [this](const Result<void>&) {
            refresh_pending_ = false;
            jobs_.forget_old();
            update();
        });
}

void Service::refresh_definitions() {
    files_.submit<void>(
        [this]() -> Result<void> {
            zones_.refresh_definitions();
            return {};
        },
        [this](const Result<void>&) { loop_.await_readable(); });
}

// Type=notify-reload: the time tells systemd that this is the answer to its signal.
void Service::reload() {
    if (is_stopping_) {
        return;
    }
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    sd_notify(0, std::format("RELOADING=1\nMONOTONIC_USEC={}",
                             std::chrono::duration_cast<std::chrono::microseconds>(now).count())
                     .c_str());
    log::info("reading the configurations of zones again");
    files_.submit<void>(
        [this]() -> Result<void> {
            zones_.reload_definitions();
            return {};
        },
        [this](const Result<void>&) {
            update();
            sd_notify(0, "READY=1");
        });
}

void Service::stop() {
    if (std::exchange(is_stopping_, true)) {
        return;
    }
    sd_notify(0, "STOPPING=1\nSTATUS=Finishing what has begun");
    log::info("stopping");
    control_.stop([this] { files_.stop([this] { finish(); }); });
    power_offs_.give_up(); // they are told that nothing more is begun
}

void Service::reexecute() {
    if (successor_ == nullptr) {
        log::warning("the service manager starts the next hvisord: use systemctl restart hvisord");
        return;
    }
    if (const auto obstacle = successor_->obstacle(); !obstacle.empty()) {
        log::error("cannot be started again, and goes on: {}", obstacle);
        return;
    }
    is_reexecuting_ = true;
    stop();
}

void Service::finish() {
    const auto zones = zones_.zones();
    update_objects(zones);
    if (is_reexecuting_) {
        begin_successor();
    }
    if (is_succeeded_ && !served_zones(zones).empty()) {
        leave_zones();
    }
    warn_of_served_zones(zones);
    loop_.quit();
}

// What the zones' devices do is kept at each instruction, and an orderly end would only stop them: a
// process after this one goes on as if this one had been killed. Without one systemd closes what it
// kept, and the module answers the zones.
void Service::leave_zones() {
    log::info("zones go on with the next hvisord where this one ends; without one they have no devices");
    log::flush();
    ::_exit(0);
}

void Service::begin_successor() {
    log::info("starting hvisord again in place of this one");
    log::flush();
    log::error("cannot be started again: {}", successor_->begin());
}

void Service::warn_of_served_zones(const std::vector<zone::ZoneState>& zones) {
    if (const auto names = served_zones(zones); !names.empty()) {
        log::warning(
            {.event = log::Event::stopped_beside_zones},
            "stopping while zones use virtio devices: {}: their disks and consoles are gone until the zones "
            "are started again; shut zones down before stopping hvisord",
            names);
    }
}

} // namespace hvisor::service
