// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "client.hpp"
#include "objects.hpp"

#include <memory>
#include <string>

namespace CLI {
class App;
} // namespace CLI

namespace hvisor::cli {

/// Which device a command is about.
struct DeviceName {
    std::string zone; ///< name or number
    std::string device;
};

/// Add "ZONE DEVICE" to a command; `what` is the help of the latter.
[[nodiscard]] std::shared_ptr<DeviceName> add_device_name(CLI::App& verb, const char* what);

/// The device as it is now.
[[nodiscard]] Outcome<Object> find_device(Client& client, const DeviceName& name);

} // namespace hvisor::cli
