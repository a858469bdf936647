// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "log_control_adaptor.hpp"

#include <sdbus-c++/sdbus-c++.h>

#include <string>

namespace hvisor::service {

/// An org.freedesktop.LogControl1: what the daemon logs, and where to. That only
/// root changes it sd-bus sees to (org.freedesktop.systemd1.Privileged).
class LogControlObject final : public sdbus::AdaptorInterfaces<org::freedesktop::LogControl1_adaptor> {
  public:
    LogControlObject(sdbus::IConnection& connection, sdbus::ObjectPath path);
    ~LogControlObject();
    LogControlObject(const LogControlObject&) = delete;
    LogControlObject& operator=(const LogControlObject&) = delete;
    LogControlObject(LogControlObject&&) = delete;
    LogControlObject& operator=(LogControlObject&&) = delete;

  private:
    std::string LogLevel() override;
    void LogLevel(const std::string& value) override;
    std::string LogTarget() override;
    void LogTarget(const std::string& value) override;
    std::string SyslogIdentifier() override;
};

} // namespace hvisor::service
