// SPDX-License-Identifier: Apache-2.0
//
// The API of hvisord from C++, by sdbus-c++ 2 and proxies that are generated from
// the XML in dbus/. Copy what you need of it:
//
//   zones list             the zones, and what state they are in
//   zones start NAME       start a configured zone, and follow the job
//   zones counters ZONE    what has gone through the queues of its devices
//   zones console ZONE     be at the zone's console: what is typed goes there
//   zones watch            what changes, as it happens
//
// To build it, with libsdbus-c++-dev and libsdbus-c++-bin:
//
//   for name in Manager Zone Device Device.Statistics Job; do
//       sdbus-c++-xml2cpp /usr/share/dbus-1/interfaces/org.syswonder.hvisor1.$name.xml \
//           --proxy=$(echo $name | tr A-Z. a-z_)_proxy.hpp
//   done
//   g++ -std=c++23 -I. zones.cpp -o zones $(pkg-config --cflags --libs sdbus-c++)
#include "device_proxy.hpp"
#include "device_statistics_proxy.hpp"
#include "job_proxy.hpp"
#include "manager_proxy.hpp"
#include "zone_proxy.hpp"

#include <sdbus-c++/sdbus-c++.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <map>
#include <memory>
#include <poll.h>
#include <print>
#include <span>
#include <stdexcept>
#include <string>
#include <sys/socket.h>
#include <tuple>
#include <unistd.h>
#include <utility>
#include <vector>

namespace {

using Dictionary = std::map<std::string, sdbus::Variant>;

const sdbus::ServiceName service{"org.syswonder.hvisor1"};
const sdbus::ObjectPath root{"/org/syswonder/hvisor1"};

/// An object of the daemon, as one of org::syswonder::hvisor1.
template <class... Interfaces>
class Object : public sdbus::ProxyInterfaces<Interfaces...> {
  public:
    Object(sdbus::IConnection& connection, sdbus::ObjectPath path)
        : sdbus::ProxyInterfaces<Interfaces...>(connection, service, std::move(path)) {
        this->registerProxy();
    }
    Object(const Object&) = delete;
    Object& operator=(const Object&) = delete;
    Object(Object&&) = delete;
    Object& operator=(Object&&) = delete;
    ~Object() { this->unregisterProxy(); }
};

using Manager = Object<org::syswonder::hvisor1::Manager_proxy>;
using Zone = Object<org::syswonder::hvisor1::Zone_proxy>;
/// A device has an interface for each kind of thing that it can do.
using Device =
    Object<org::syswonder::hvisor1::Device_proxy, org::syswonder::hvisor1::Device::Statistics_proxy>;

/// A job, which says how far it is.
class Job final : public sdbus::ProxyInterfaces<org::syswonder::hvisor1::Job_proxy, sdbus::Properties_proxy> {
  public:
    Job(sdbus::IConnection& connection, sdbus::ObjectPath path)
        : ProxyInterfaces(connection, service, std::move(path)), connection_(connection) {
        registerProxy();
    }
    Job(const Job&) = delete;
    Job& operator=(const Job&) = delete;
    Job(Job&&) = delete;
    Job& operator=(Job&&) = delete;
    ~Job() { unregisterProxy(); }

    void follow() {
        // Signals come from the time of the constructor on, so none is missed.
        note(GetAll(sdbus::InterfaceName(Job_proxy::INTERFACE_NAME)));
        if (!is_over()) {
            connection_.enterEventLoop();
        }
    }
    [[nodiscard]] const std::string& state() const { return state_; }

  private:
    [[nodiscard]] bool is_over() const { return state_ != "waiting" && state_ != "running"; }

    void onPropertiesChanged(const sdbus::InterfaceName& /*interface*/,
                             const std::map<sdbus::PropertyName, sdbus::Variant>& changed,
                             const std::vector<sdbus::PropertyName>& /*invalidated*/) override {
        note(changed);
        if (is_over()) {
            connection_.leaveEventLoop();
        }
    }

    void note(const std::map<sdbus::PropertyName, sdbus::Variant>& properties) {
        for (const auto& [name, value] : properties) {
            if (name == "State") {
                state_ = value.get<std::string>();
            } else if (name == "Progress") {
                progress_ = value.get<std::uint32_t>();
            }
        }
        std::println("{}, {} %", state_, progress_);
    }

    sdbus::IConnection& connection_;
    std::string state_;
    std::uint32_t progress_ = 0;
};

void list(sdbus::IConnection& connection) {
    for (const auto& zone : Manager(connection, root).ListZones()) {
        std::println("{} {} {}", zone.at("Id").get<std::uint32_t>(), zone.at("Name").get<std::string>(),
                     zone.at("State").get<std::string>());
    }
}

// Paths hold names in an escaped form, so they are asked for.
sdbus::ObjectPath zone_called(sdbus::IConnection& connection, const std::string& name) {
    for (const auto& zone : Manager(connection, root).ListZones()) {
        if (zone.at("Name").get<std::string>() == name) {
            return zone.at("Path").get<sdbus::ObjectPath>();
        }
    }
    throw std::runtime_error("there is no zone " + name);
}

void start(sdbus::IConnection& connection, const std::string& name) {
    // Without "wait" the reply is there at once, and the job can be followed.
    const auto results =
        Manager(connection, root).StartZone(name, Dictionary{{"wait", sdbus::Variant(false)}});
    Job job(connection, results.at("Job").get<sdbus::ObjectPath>());
    job.follow();
    if (job.state() != "done") {
        throw std::runtime_error(std::get<1>(job.Error()));
    }
}

void counters(sdbus::IConnection& connection, const std::string& name) {
    const auto below = zone_called(connection, name) + "/device/";
    std::map<sdbus::ObjectPath, std::map<std::string, Dictionary>> objects;
    sdbus::createProxy(connection, service, root)
        ->callMethod("GetManagedObjects")
        .onInterface("org.freedesktop.DBus.ObjectManager")
        .storeResultsTo(objects);
    for (const auto& [path, interfaces] : objects) {
        if (!path.starts_with(below)) {
            continue;
        }
        Device device(connection, path);
        for (const auto& queue : device.Queues()) {
            const auto count = [&](const char* key) { return queue.at(key).get<std::uint64_t>(); };
            std::println("{}: Bytes {} Errors {} Requests {}", device.Id(), count("Bytes"), count("Errors"),
                         count("Requests"));
        }
    }
}

void console(sdbus::IConnection& connection, const std::string& name) {
    // The first console; its history comes first, and the stream ends with the zone.
    const auto opened = Zone(connection, zone_called(connection, name)).OpenConsole("", {});
    const int zone = std::get<sdbus::UnixFd>(opened).get();
    std::array<pollfd, 2> both{pollfd{.fd = zone, .events = POLLIN, .revents = 0},
                               pollfd{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0}};
    std::array<char, 4096> bytes{};
    while (::poll(both.data(), both.size(), -1) > 0) {
        if (both[0].revents != 0) {
            const auto count = ::recv(zone, bytes.data(), bytes.size(), 0);
            if (count <= 0 || ::write(STDOUT_FILENO, bytes.data(), static_cast<std::size_t>(count)) < 0) {
                return;
            }
        }
        if (both[1].revents != 0) {
            const auto count = ::read(STDIN_FILENO, bytes.data(), bytes.size());
            if (count <= 0) {
                both[1].fd = -1; // nothing more is typed; the zone may go on
            } else if (::send(zone, bytes.data(), static_cast<std::size_t>(count), MSG_NOSIGNAL) < 0) {
                return;
            }
        }
    }
}

void watch(sdbus::IConnection& connection) {
    // A proxy with sdbus::Properties_proxy, as Job, hears of one object; this of all.
    connection.addMatch("type='signal',sender='org.syswonder.hvisor1',member='PropertiesChanged',"
                        "path_namespace='/org/syswonder/hvisor1'",
                        [](sdbus::Message message) {
                            std::string interface;
                            std::map<std::string, sdbus::Variant> changed;
                            message >> interface >> changed;
                            for (const auto& [name, value] : changed) {
                                std::println("{} {} {}", message.getPath(), name,
                                             value.containsValueOfType<std::string>()
                                                 ? value.get<std::string>()
                                                 : std::string(value.peekValueType()));
                            }
                            static_cast<void>(std::fflush(stdout));
                        });
    connection.enterEventLoop();
}

} // namespace

int main(int argc, char** argv) {
    try {
        const std::span arguments(argv, static_cast<std::size_t>(argc));
        const std::vector<std::string> words(arguments.begin() + 1, arguments.end());
        const auto connection = sdbus::createSystemBusConnection();
        if (words == std::vector<std::string>{"list"}) {
            list(*connection);
        } else if (words.size() == 2 && words[0] == "start") {
            start(*connection, words[1]);
        } else if (words.size() == 2 && words[0] == "counters") {
            counters(*connection, words[1]);
        } else if (words.size() == 2 && words[0] == "console") {
            console(*connection, words[1]);
        } else if (words == std::vector<std::string>{"watch"}) {
            watch(*connection);
        } else {
            std::println(stderr, "zones list | start NAME | counters ZONE | console ZONE | watch");
            return 2;
        }
        return 0;
    } catch (const std::exception& error) {
        static_cast<void>(std::fprintf(stderr, "zones: %s\n", error.what()));
        return 1;
    }
}
