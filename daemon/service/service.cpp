// SPDX-License-Identifier: Apache-2.0
#include "service/service.hpp"

#include "base/log.hpp"
#include "service/bus_values.hpp"

#include <systemd/sd-daemon.h>

#include <chrono>
#include <format>
#include <utility>

namespace hvisor::service {
namespace {

const sdbus::ServiceName bus_name{"org.syswonder.hvisor1"};

// How late a zone that ended by itself may be noticed, and a device's status
// be announced.
constexpr std::chrono::seconds refresh_period{1};

std::unique_ptr<sdbus::IConnection> connect(const std::string& bus) {
    if (bus == "system") {
        return sdbus::createSystemBusConnection();
    }
    if (bus == "session") {
        return sdbus::createSessionBusConnection();
    }
    return sdbus::createSessionBusConnectionWithAddress(bus);
}

std::string join(const std::vector<std::string>& names) {
    std::string text;
    for (const auto& name : names) {
        text += text.empty() ? name : ", " + name;
    }
    return text;
}

} // namespace

Service::Service(MainLoop& loop, zone::ZoneManager& zones, std::unique_ptr<sdbus::IConnection> connection,
                 const ServiceOptions& options)
    : loop_(loop),
      zones_(zones),
      connection_(std::move(connection)),
      control_(loop),
      actions_(zones, control_, [this] { update(); }),
      tree_(*connection_, zones, actions_),
      manager_(*connection_, actions_, tree_, zones, options.hypervisor_magic) {}

Service::~Service() {
    zones_.on_change({});
    // A call that came in while the loop was quitting holds a message of the
    // connection until it is answered.
    control_.join();
    loop_.run_posted();
}

Result<std::unique_ptr<Service>> Service::create(MainLoop& loop, zone::ZoneManager& zones,
                                                 const ServiceOptions& options) {
    std::unique_ptr<Service> service;
    try {
        service.reset(new Service(loop, zones, connect(options.bus), options));
        service->connection_->attachSdEventLoop(loop.handle());
    } catch (const sdbus::Error& error) {
        return fail(ErrorCode::failed, "cannot serve the {} bus: {}", options.bus, error.getMessage());
    }
    zones.on_change([self = service.get()] { self->update_soon(); });
    return loop.every(refresh_period, [self = service.get()] { self->refresh(); }).transform([&] {
        return std::move(service);
    });
}

Result<void> Service::publish() {
    update();
    try {
        connection_->requestName(bus_name);
    } catch (const sdbus::Error& error) {
        return fail(ErrorCode::resource_busy, "cannot take the name {}: {} (does another hvisord run?)",
                    std::string_view(bus_name), error.getMessage());
    }
    sd_notify(0, "READY=1");
    return {};
}

void Service::update() {
    update_pending_ = false;
    tree_.update();
    if (auto status = tree_.summary(); status != status_ && !is_stopping_) {
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

void Service::refresh() {
    // While a long start is on the control thread, one request is enough.
    if (std::exchange(refresh_pending_, true)) {
        return;
    }
    control_.submit<void>(
        [this]() -> Result<void> {
            zones_.refresh();
            return {};
        },
        [this](const Result<void>&) {
            refresh_pending_ = false;
            update();
        });
}

void Service::stop() {
    if (std::exchange(is_stopping_, true)) {
        return;
    }
    sd_notify(0, "STOPPING=1\nSTATUS=Finishing what has begun");
    log::info("stopping");
    control_.stop([this] {
        tree_.update();
        warn_of_served_zones();
        loop_.quit();
    });
}

void Service::warn_of_served_zones() const {
    if (const auto names = tree_.served_zones(); !names.empty()) {
        log::warning(
            "stopping while zones use virtio devices: {}: their disks and consoles are gone until the zones "
            "are started again; shut zones down before stopping hvisord",
            join(names));
    }
}

} // namespace hvisor::service
