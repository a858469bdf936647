// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "zone_files.hpp"

#include "device_block_proxy.hpp"
#include "device_console_proxy.hpp"
#include "device_proxy.hpp"
#include "device_statistics_proxy.hpp"
#include "job_proxy.hpp"
#include "manager_proxy.hpp"
#include "zone_proxy.hpp"

#include <sdbus-c++/sdbus-c++.h>

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace hvisor::test {

using Dictionary = std::map<std::string, sdbus::Variant>;
using Files = std::map<std::string, sdbus::UnixFd>;
using Objects = std::map<sdbus::ObjectPath,
                         std::map<sdbus::InterfaceName, std::map<sdbus::PropertyName, sdbus::Variant>>>;

inline const sdbus::ObjectPath guest_path{"/org/syswonder/hvisor1/zone/guest1"};
inline const sdbus::ObjectPath console_path{guest_path + "/device/console_2da003800"};
inline const sdbus::ObjectPath disk_path{guest_path + "/device/block_2da003c00"};

/// Generated proxies as an object. The interfaces are of org::syswonder::hvisor1.
template <class... Interfaces>
class Proxy final : public sdbus::ProxyInterfaces<Interfaces...> {
    using Base = sdbus::ProxyInterfaces<Interfaces...>;

  public:
    explicit Proxy(sdbus::IConnection& connection,
                   sdbus::ObjectPath path = sdbus::ObjectPath("/org/syswonder/hvisor1"))
        : Base(connection, sdbus::ServiceName("org.syswonder.hvisor1"), std::move(path)) {
        this->registerProxy();
    }
    Proxy(const Proxy&) = delete;
    Proxy& operator=(const Proxy&) = delete;
    Proxy(Proxy&&) = delete;
    Proxy& operator=(Proxy&&) = delete;
    ~Proxy() { this->unregisterProxy(); }
};

using Manager = Proxy<org::syswonder::hvisor1::Manager_proxy>;
using Zone = Proxy<org::syswonder::hvisor1::Zone_proxy>;
using Job = Proxy<org::syswonder::hvisor1::Job_proxy>;
using Device =
    Proxy<org::syswonder::hvisor1::Device_proxy, org::syswonder::hvisor1::Device::Statistics_proxy>;
using Console = Proxy<org::syswonder::hvisor1::Device_proxy, org::syswonder::hvisor1::Device::Console_proxy>;
using Disk = Proxy<org::syswonder::hvisor1::Device::Block_proxy>;

/// The daemon's signals, one line each: "added PATH", "removed PATH",
/// "changed PATH NAME..." with the names of properties. Listens from its
/// construction on, on a connection and thread of its own.
class SignalLog {
  public:
    explicit SignalLog(std::unique_ptr<sdbus::IConnection> connection = sdbus::createSessionBusConnection());
    SignalLog(const SignalLog&) = delete;
    SignalLog& operator=(const SignalLog&) = delete;
    SignalLog(SignalLog&&) = delete;
    SignalLog& operator=(SignalLog&&) = delete;
    ~SignalLog();

    [[nodiscard]] std::vector<std::string> lines();
    /// Wait for a line that is exactly this.
    [[nodiscard]] bool wait_for(const std::string& line);

  private:
    void note(sdbus::Message& message);

    std::unique_ptr<sdbus::IConnection> connection_;
    std::mutex lock_;
    std::vector<std::string> lines_; ///< under lock_
    sdbus::Slot match_;
};

/// Open files as hvisorctl would pass them for the zone and virtio JSON.
[[nodiscard]] Files zone_files(const ZoneFiles& files);
[[nodiscard]] Files virtio_files(const ZoneFiles& files);
[[nodiscard]] Files all_files(const ZoneFiles& files);

/// Start guest1 from its two files.
sdbus::ObjectPath start_guest(Manager& manager, const ZoneFiles& files);

[[nodiscard]] Objects managed_objects(Manager& manager);

/// The name of the error that `call` throws without its common prefix, "" when it throws none.
template <class Call>
[[nodiscard]] std::string error_of(Call call) {
    try {
        call();
        return "";
    } catch (const sdbus::Error& error) {
        const std::string prefix = "org.syswonder.hvisor1.Error.";
        const std::string& name = error.getName();
        return name.starts_with(prefix) ? name.substr(prefix.size()) : name;
    }
}

} // namespace hvisor::test
