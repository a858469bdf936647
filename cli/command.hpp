// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "client.hpp"
#include "failure.hpp"
#include "output.hpp"

#include <CLI/App.hpp>

#include <functional>

namespace hvisor::cli {

/// What the command line asked for; runs after all of it was found right.
using Command = std::function<Outcome<void>(Client&)>;

/// One function a noun adds its verbs to the command line. Each verb sets
/// `command` when it is chosen. `output` is set by the time a command runs.
void add_zone_commands(CLI::App& app, Command& command, const Output& output);
void add_device_commands(CLI::App& app, Command& command, const Output& output);
void add_display_commands(CLI::App& app, Command& command, const Output& output);
void add_screenshot(CLI::App& app, Command& command, const Output& output);
void add_daemon_commands(CLI::App& app, Command& command, const Output& output);
void add_job_commands(CLI::App& app, Command& command, const Output& output);
void add_monitor(CLI::App& app, Command& command, const Output& output);
void add_virtio_commands(CLI::App& app, Command& command, const Output& output);
void add_stats(CLI::App& app, Command& command, const Output& output);
void add_top(CLI::App& app, Command& command);
void add_config_commands(CLI::App& app, Command& command);

/// The verbs of "zone" that have a file of their own.
void add_zone_start(CLI::App& zone, Command& command, const Output& output);
void add_zone_end(CLI::App& zone, Command& command, const Output& output);
void add_zone_wait(CLI::App& zone, Command& command);
void add_zone_define(CLI::App& zone, Command& command, const Output& output);
void add_zone_boot(CLI::App& zone, Command& command, const Output& output);
void add_zone_stats(CLI::App& zone, Command& command, const Output& output);
void add_log(CLI::App& parent, Command& command, const Output& output);
void add_zone_hold(CLI::App& zone, Command& command);
void add_zone_show(CLI::App& zone, Command& command, const Output& output);
void add_zone_console(CLI::App& zone, Command& command);
void add_zone_send_key(CLI::App& zone, Command& command);

/// The verbs of "device" that change something.
void add_device_changes(CLI::App& device, Command& command, const Output& output);

/// The verbs of "config" that have a file of their own.
void add_config_check(CLI::App& config, Command& command);
void add_config_dtb(CLI::App& config, Command& command);

} // namespace hvisor::cli
