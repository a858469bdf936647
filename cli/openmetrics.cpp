// SPDX-License-Identifier: Apache-2.0
#include "openmetrics.hpp"

#include "display.hpp"
#include "queue_numbers.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <cstdint>
#include <format>
#include <iterator>
#include <string_view>
#include <utility>

namespace hvisor::cli {
namespace {

using Labels = std::vector<std::pair<std::string_view, std::string>>;

std::string escape(std::string_view text) {
    std::string result;
    for (const char c : text) {
        if (c == '\n') {
            result += "\\n";
            continue;
        }
        if (c == '"' || c == '\\') {
            result += '\\';
        }
        result += c;
    }
    return result;
}

std::string to_text(const Labels& labels) {
    std::string text;
    for (const auto& [name, value] : labels) {
        text += std::format("{}{}=\"{}\"", text.empty() ? "" : ",", name, escape(value));
    }
    return text.empty() ? "" : "{" + text + "}";
}

/// "MissedWakeups" is "missed_wakeups".
std::string snake_case(std::string_view name) {
    std::string result;
    for (const char c : name) {
        const auto letter = static_cast<unsigned char>(c);
        if (std::isupper(letter) != 0 && !result.empty()) {
            result += '_';
        }
        result += static_cast<char>(std::tolower(letter));
    }
    return result;
}

/// One metric: its samples have to stand together.
class Family {
  public:
    enum class Type { counter, gauge };

    Family(std::string_view name, Type type, std::string_view help, std::string_view unit = "")
        : name_(std::format("hvisor_{}", name)), suffix_(type == Type::counter ? "_total" : "") {
        text_ = std::format("# TYPE {} {}\n", name_, type == Type::counter ? "counter" : "gauge");
        if (!unit.empty()) {
            text_ += std::format("# UNIT {} {}\n", name_, unit);
        }
        text_ += std::format("# HELP {} {}\n", name_, help);
    }

    void add(const Labels& labels, std::uint64_t value) {
        std::format_to(std::back_inserter(text_), "{}{}{} {}\n", name_, suffix_, to_text(labels), value);
    }
    [[nodiscard]] const std::string& text() const { return text_; }

  private:
    std::string name_;
    std::string_view suffix_;
    std::string text_;
};

constexpr auto counter = Family::Type::counter;
constexpr auto gauge = Family::Type::gauge;

std::string zone_metrics(const std::vector<ZoneObjects>& zones) {
    constexpr std::array states = {"defined", "starting", "running", "stopping", "stopped", "failed"};
    Family state("zone_state", gauge, "1 for the state that the zone is in.");
    Family cpus("zone_cpus", gauge, "CPUs that belong to the zone.");
    for (const auto& [zone, devices] : zones) {
        const auto name = value_of<std::string>(zone.properties, "Name");
        const auto now = value_of<std::string>(zone.properties, "State");
        for (const char* each : states) {
            state.add({{"zone", name}, {"state", each}}, now == each ? 1 : 0);
        }
        cpus.add({{"zone", name}}, value_of<std::vector<std::uint32_t>>(zone.properties, "Cpus").size());
    }
    return state.text() + cpus.text();
}

Labels labels_of(const Object& zone, const Object& device) {
    return {{"zone", value_of<std::string>(zone.properties, "Name")},
            {"device", value_of<std::string>(device.properties, "Id")},
            {"type", value_of<std::string>(device.properties, "Type")}};
}

std::string device_metrics(const std::vector<ZoneObjects>& zones) {
    Family status("device_status", gauge, "The device status register; 15 is a driver that works.");
    Family accesses("device_register_accesses", counter, "Register accesses of the driver.");
    Family sent("device_interrupts_sent", counter, "Interrupts sent to the zone.");
    Family repeated("device_interrupts_repeated", counter,
                    "Interrupts sent again because the zone did not see the first.");
    Family age("device_unacknowledged_microseconds", gauge,
               "Age of an interrupt that the driver has not acknowledged.", "microseconds");
    for (const auto& [zone, devices] : zones) {
        for (const Object& device : devices) {
            const Labels labels = labels_of(zone, device);
            const JsonObject& now = device.properties;
            status.add(labels, value_of<std::uint32_t>(now, "Status"));
            accesses.add(labels, value_of<std::uint64_t>(now, "Accesses"));
            sent.add(labels, value_of<std::uint64_t>(now, "InterruptsSent"));
            repeated.add(labels, value_of<std::uint64_t>(now, "InterruptsRepeated"));
            age.add(labels, value_of<std::uint64_t>(now, "UnacknowledgedUSec"));
        }
    }
    return status.text() + accesses.text() + sent.text() + repeated.text() + age.text();
}

void add_times(Family& times, const Labels& labels, const QueueNumbers& queue) {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < queue.latency.size(); ++i) {
        sum += queue.latency[i];
        constexpr double microsecond = 1e-6;
        Labels with_limit = labels;
        with_limit.emplace_back("le", i + 1 == queue.latency.size()
                                          ? "+Inf"
                                          : std::format("{}", std::ldexp(microsecond, static_cast<int>(i))));
        times.add(with_limit, sum);
    }
}

std::string queue_metrics(const std::vector<ZoneObjects>& zones) {
    Family notifications("queue_notifications", counter, "Notifications by the driver.");
    Family requests("queue_requests", counter, "Requests completed.");
    Family bytes("queue_payload_bytes", counter, "Payload of the requests.", "bytes");
    Family errors("queue_errors", counter, "Requests that failed.");
    Family interrupts("queue_interrupts", counter, "Interrupts that the queue asked for.");
    Family times("queue_completions", counter,
                 "Requests by the time from notification to completion, at most le seconds.");
    for (const auto& [zone, devices] : zones) {
        for (const Object& device : devices) {
            std::size_t index = 0;
            for (const QueueNumbers& queue : queue_numbers(device)) {
                Labels labels = labels_of(zone, device);
                labels.emplace_back("queue", std::to_string(index++));
                notifications.add(labels, queue.notifications);
                requests.add(labels, queue.requests);
                bytes.add(labels, queue.bytes);
                errors.add(labels, queue.errors);
                interrupts.add(labels, queue.interrupts);
                add_times(times, labels, queue);
            }
        }
    }
    return notifications.text() + requests.text() + bytes.text() + errors.text() + interrupts.text() +
           times.text();
}

std::string display_metrics(const std::vector<ZoneObjects>& zones) {
    Family on("display_on", gauge, "1 while the zone shows a picture on the display.");
    Family frames("display_frames", counter, "Pictures that the display has shown.");
    for (const auto& [zone, devices] : zones) {
        for (const Object& device : devices) {
            for (const Display& display : displays_of(device)) {
                Labels labels = labels_of(zone, device);
                labels.emplace_back("display", std::to_string(display.number));
                on.add(labels, display.is_on ? 1 : 0);
                frames.add(labels, display.frames);
            }
        }
    }
    return on.text() + frames.text();
}

std::string input_metrics(const std::vector<ZoneObjects>& zones) {
    Family dropped("input_events_dropped", counter, "Events that the zone had no room for.");
    for (const auto& [zone, devices] : zones) {
        for (const Object& device : devices) {
            if (device.properties.contains("EventsDropped")) {
                dropped.add(labels_of(zone, device),
                            value_of<std::uint64_t>(device.properties, "EventsDropped"));
            }
        }
    }
    return dropped.text();
}

} // namespace

std::string openmetrics(const std::vector<ZoneObjects>& zones,
                        const std::map<std::string, std::uint64_t>& bridge) {
    std::string text;
    for (const auto& [name, value] : bridge) {
        Family family(std::format("bridge_{}", snake_case(name)), counter,
                      "As Statistics of org.syswonder.hvisor1.Manager.");
        family.add({}, value);
        text += family.text();
    }
    return text + zone_metrics(zones) + device_metrics(zones) + queue_metrics(zones) +
           display_metrics(zones) + input_metrics(zones) + "# EOF\n";
}

} // namespace hvisor::cli
