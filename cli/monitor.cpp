// SPDX-License-Identifier: Apache-2.0
#include "command.hpp"
#include "format.hpp"
#include "json.hpp"
#include "output.hpp"

#include <CLI/CLI.hpp>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <format>
#include <map>
#include <memory>
#include <print>
#include <string>
#include <string_view>
#include <systemd/sd-bus.h>
#include <vector>

namespace hvisor::cli {
namespace {

using Properties = std::map<std::string, sdbus::Variant>;

std::string now() {
    return std::format("{:%FT%TZ}",
                       std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now()));
}

/// The name that one step of a path was made of, see sd_bus_path_encode(3).
std::string decoded(const std::string& step) {
    char* name = nullptr;
    if (sd_bus_path_decode(("/" + step).c_str(), "/", &name) <= 0) {
        return step;
    }
    const std::unique_ptr<char, decltype(&std::free)> owner(name, &std::free);
    return name;
}

/// "linux2" or "linux2 block-a003c00": what a path under the daemon's root names.
std::string short_name(const std::string& path) {
    const std::string prefix = manager_path + "/zone/";
    if (!path.starts_with(prefix)) {
        return path;
    }
    constexpr std::string_view below = "/device/";
    const std::string zone = path.substr(prefix.size());
    const auto device = zone.find(below);
    if (device == std::string::npos) {
        return decoded(zone);
    }
    return decoded(zone.substr(0, device)) + " " + decoded(zone.substr(device + below.size()));
}

/// Prints each event as it comes: a line of text, or of JSON.
class Printer {
  public:
    explicit Printer(const Output& output) : json_(output.json) {}

    void event(const std::string& what, const std::string& path, const Properties& properties) const {
        if (json_) {
            std::print("{}", to_json_line({{"Time", sdbus::Variant(now())},
                                           {"Event", sdbus::Variant(what)},
                                           {"Path", sdbus::Variant(path)},
                                           {"Properties", sdbus::Variant(properties)}}));
        } else {
            std::print("{} {} {}", now(), what, printable(short_name(path)));
            // What is new is looked at with "zone show"; its counters say nothing yet.
            for (const auto& [name, value] : what == "changed" ? properties : Properties{}) {
                auto text = to_json_line({{name, value}});
                text = text.substr(1, text.size() - 3); // without the braces
                std::print(" {}", text);
            }
            std::println();
        }
        // Somebody may be waiting at the other end of a pipe.
        static_cast<void>(std::fflush(stdout));
    }

    void signal(sdbus::Message& message) const {
        const std::string member = message.getMemberName();
        if (member == "InterfacesAdded") {
            sdbus::ObjectPath path;
            std::map<std::string, Properties> interfaces;
            message >> path >> interfaces;
            Properties all;
            for (auto& [name, properties] : interfaces) {
                all.merge(properties);
            }
            event("added", path, all);
        } else if (member == "InterfacesRemoved") {
            sdbus::ObjectPath path;
            message >> path;
            event("removed", path, {});
        } else if (member == "NameOwnerChanged") {
            std::string name;
            std::string before;
            std::string after;
            message >> name >> before >> after;
            event(after.empty() ? "stopped" : "started", "hvisord", {});
        } else if (member == "PropertiesChanged") {
            std::string interface;
            Properties changed;
            message >> interface >> changed;
            event("changed", message.getPath(), changed);
        }
    }

  private:
    bool json_;
};

Outcome<void> monitor(Client& client, const Output& output) {
    const Printer printer(output);
    return client.watch([&](sdbus::Message& message) { printer.signal(message); });
}

} // namespace

void add_monitor(CLI::App& app, Command& command, const Output& output) {
    app.add_subcommand("monitor", "Print what happens to zones and devices, until it is interrupted")
        ->callback(
            [&command, &output] { command = [&output](Client& client) { return monitor(client, output); }; });
}

} // namespace hvisor::cli
