// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "failure.hpp"

#include "device_proxy.hpp"
#include "manager_proxy.hpp"
#include "zone_proxy.hpp"

#include <sdbus-c++/sdbus-c++.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace hvisor::cli {

using Dictionary = std::map<std::string, sdbus::Variant>;
using ManagedObjects =
    std::map<sdbus::ObjectPath,
             std::map<sdbus::InterfaceName, std::map<sdbus::PropertyName, sdbus::Variant>>>;

/// The entry `key` of a dictionary, or a value-initialised T from a daemon
/// that does not tell.
template <class T, class Map>
[[nodiscard]] T value_of(const Map& map, const char* key) {
    const auto found = map.find(typename Map::key_type{key});
    return found == map.end() ? T{} : found->second.template get<T>();
}

/// One row of ListZones().
struct ZoneRow {
    std::uint32_t id = 0;
    std::string name;
    std::string state;
    std::vector<std::uint32_t> cpus;
    sdbus::ObjectPath path;
};

class ManagerProxy final : public sdbus::ProxyInterfaces<org::syswonder::hvisor1::Manager_proxy> {
  public:
    explicit ManagerProxy(sdbus::IConnection& connection);
    ~ManagerProxy();
    ManagerProxy(const ManagerProxy&) = delete;
    ManagerProxy& operator=(const ManagerProxy&) = delete;
    ManagerProxy(ManagerProxy&&) = delete;
    ManagerProxy& operator=(ManagerProxy&&) = delete;
};

class ZoneProxy final : public sdbus::ProxyInterfaces<org::syswonder::hvisor1::Zone_proxy> {
  public:
    ZoneProxy(sdbus::IConnection& connection, sdbus::ObjectPath path);
    ~ZoneProxy();
    ZoneProxy(const ZoneProxy&) = delete;
    ZoneProxy& operator=(const ZoneProxy&) = delete;
    ZoneProxy(ZoneProxy&&) = delete;
    ZoneProxy& operator=(ZoneProxy&&) = delete;
};

/// The daemon. Connects when it is first needed, so that what is wrong with
/// the caller's own files is said first.
class Client {
  public:
    /// `bus`: "system", "session" or the address of a bus.
    explicit Client(std::string bus);

    /// Use the Manager object: `call` gets a ManagerProxy.
    template <class Call>
    [[nodiscard]] auto manager(Call call) -> Outcome<decltype(call(std::declval<ManagerProxy&>()))> {
        try {
            ManagerProxy proxy(connection());
            return invoke(std::move(call), proxy);
        } catch (const sdbus::Error& error) {
            return fail(error);
        }
    }

    /// Use a Zone object: `call` gets a ZoneProxy.
    template <class Call>
    [[nodiscard]] auto zone(const sdbus::ObjectPath& path, Call call)
        -> Outcome<decltype(call(std::declval<ZoneProxy&>()))> {
        try {
            ZoneProxy proxy(connection(), path);
            return invoke(std::move(call), proxy);
        } catch (const sdbus::Error& error) {
            return fail(error);
        }
    }

    [[nodiscard]] Outcome<std::vector<ZoneRow>> zones();

    /// The zone called `name_or_id`; a name wins over a number.
    [[nodiscard]] Outcome<ZoneRow> find_zone(const std::string& name_or_id);

    /// Every object with every property, in one call.
    [[nodiscard]] Outcome<ManagedObjects> objects();

  private:
    template <class Call, class Proxy>
    static auto invoke(Call call, Proxy& proxy) -> Outcome<decltype(call(proxy))> {
        if constexpr (std::is_void_v<decltype(call(proxy))>) {
            call(proxy);
            return {};
        } else {
            return call(proxy);
        }
    }

    sdbus::IConnection& connection();

    std::string bus_;
    std::unique_ptr<sdbus::IConnection> connection_;
};

} // namespace hvisor::cli
