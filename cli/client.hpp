// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "failure.hpp"

#include "device_block_proxy.hpp"
#include "device_gpu_proxy.hpp"
#include "device_net_proxy.hpp"
#include "device_proxy.hpp"
#include "job_proxy.hpp"
#include "manager_proxy.hpp"
#include "zone_proxy.hpp"

#include <sdbus-c++/sdbus-c++.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
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

inline const sdbus::ServiceName service_name{"org.syswonder.hvisor1"};
inline const sdbus::ObjectPath manager_path{"/org/syswonder/hvisor1"};

/// Path of the job with that number.
[[nodiscard]] sdbus::ObjectPath job_path(std::uint32_t id);

/// Match rules: for every signal of the object at `path` and those below it, and
/// for NameOwnerChanged when the daemon comes or goes.
[[nodiscard]] std::string match_signals(const sdbus::ObjectPath& path);
[[nodiscard]] std::string match_owner();
/// The same for the end of the connection itself.
[[nodiscard]] std::string match_disconnected();

/// A generated proxy as an object. `Interface` is one of org::syswonder::hvisor1.
template <class Interface>
class Proxy final : public sdbus::ProxyInterfaces<Interface> {
  public:
    Proxy(sdbus::IConnection& connection, sdbus::ObjectPath path)
        : sdbus::ProxyInterfaces<Interface>(connection, service_name, std::move(path)) {
        this->registerProxy();
    }
    ~Proxy() { this->unregisterProxy(); }
    Proxy(const Proxy&) = delete;
    Proxy& operator=(const Proxy&) = delete;
    Proxy(Proxy&&) = delete;
    Proxy& operator=(Proxy&&) = delete;
};

using ManagerProxy = Proxy<org::syswonder::hvisor1::Manager_proxy>;
using ZoneProxy = Proxy<org::syswonder::hvisor1::Zone_proxy>;
using JobProxy = Proxy<org::syswonder::hvisor1::Job_proxy>;
using DeviceProxy = Proxy<org::syswonder::hvisor1::Device_proxy>;
using NetProxy = Proxy<org::syswonder::hvisor1::Device::Net_proxy>;
using GpuProxy = Proxy<org::syswonder::hvisor1::Device::Gpu_proxy>;
using DiskProxy = Proxy<org::syswonder::hvisor1::Device::Block_proxy>;

/// Where the daemon is. Both empty: on the system bus, or where there is no
/// such bus behind hvisord.socket.
struct Address {
    std::string bus;    ///< "system", "session" or the address of a bus
    std::string direct; ///< the daemon's own socket: its path, or a D-Bus address
};

/// The daemon. Connects when it is first needed, so that what is wrong with
/// the caller's own files is said first.
class Client {
  public:
    /// `verbose`: tell() prints.
    explicit Client(Address address, bool verbose = false)
        : address_(std::move(address)), verbose_(verbose) {}

    /// For a client of another thread.
    [[nodiscard]] const Address& address() const { return address_; }

    /// Say on stderr which busctl(1) command does what the next call does:
    /// `words` are the signature of its arguments, if it has any, and they.
    void tell(const sdbus::ObjectPath& path, std::string_view interface, std::string_view member,
              const std::vector<std::string>& words = {}) const;

    /// Use the Manager object: `call` gets a ManagerProxy.
    template <class Call>
    [[nodiscard]] auto manager(Call call) {
        return use<ManagerProxy>(manager_path, std::move(call));
    }
    /// Use a Zone object: `call` gets a ZoneProxy.
    template <class Call>
    [[nodiscard]] auto zone(const sdbus::ObjectPath& path, Call call) {
        return use<ZoneProxy>(path, std::move(call));
    }
    /// Use a Job object: `call` gets a JobProxy.
    template <class Call>
    [[nodiscard]] auto job(const sdbus::ObjectPath& path, Call call) {
        return use<JobProxy>(path, std::move(call));
    }
    /// Use the object of a device: `call` gets a DeviceProxy.
    template <class Call>
    [[nodiscard]] auto device(const sdbus::ObjectPath& path, Call call) {
        return use<DeviceProxy>(path, std::move(call));
    }
    /// Use the object of a network device: `call` gets a NetProxy.
    template <class Call>
    [[nodiscard]] auto net(const sdbus::ObjectPath& path, Call call) {
        return use<NetProxy>(path, std::move(call));
    }
    /// Use the object of a GPU device: `call` gets a GpuProxy.
    template <class Call>
    [[nodiscard]] auto gpu(const sdbus::ObjectPath& path, Call call) {
        return use<GpuProxy>(path, std::move(call));
    }
    /// Use the object of a block device: `call` gets a DiskProxy.
    template <class Call>
    [[nodiscard]] auto disk(const sdbus::ObjectPath& path, Call call) {
        return use<DiskProxy>(path, std::move(call));
    }

    [[nodiscard]] Outcome<std::vector<ZoneRow>> zones();

    /// The zone called `name_or_id`; a name wins over a number.
    [[nodiscard]] Outcome<ZoneRow> find_zone(const std::string& name_or_id);

    /// The connection, for who waits for what happens there; connects like the others.
    [[nodiscard]] sdbus::IConnection& connection();

    /// The properties of the job at `path`; exit status 3 when there is none.
    [[nodiscard]] Outcome<Dictionary> job_properties(const sdbus::ObjectPath& path);

    /// Every object with every property, in one call.
    [[nodiscard]] Outcome<ManagedObjects> objects();

    /// Hand every signal of the daemon to `event`, and NameOwnerChanged when it
    /// comes or goes, as long as the connection is there.
    [[nodiscard]] Outcome<void> watch(const std::function<void(sdbus::Message&)>& event);

  private:
    template <class Object, class Call>
    auto use(const sdbus::ObjectPath& path, Call call) -> Outcome<decltype(call(std::declval<Object&>()))> {
        try {
            Object proxy(connection(), path);
            if constexpr (std::is_void_v<decltype(call(proxy))>) {
                call(proxy);
                return {};
            } else {
                return call(proxy);
            }
        } catch (const sdbus::Error& error) {
            return fail(error);
        }
    }

    Address address_;
    bool verbose_ = false;
    std::unique_ptr<sdbus::IConnection> connection_;
};

} // namespace hvisor::cli
