// SPDX-License-Identifier: Apache-2.0
#include "service/stalls.hpp"

#include "base/log.hpp"

#include <cstddef>
#include <format>

namespace hvisor::service {
namespace {

/// More do not fit into a line that people look at.
constexpr std::size_t max_named = 3;

} // namespace

void Stalls::update(const std::vector<zone::ZoneState>& zones) {
    std::map<Device, std::string> now;
    for (const auto& zone : zones) {
        for (const auto& device : zone.devices) {
            if (device.is_stalled) {
                now.emplace(Device{zone.name, device.id}, device.backend);
            }
        }
    }
    for (const auto& [device, backend] : now) {
        if (!stalled_.contains(device)) {
            log::write_later(
                log::Level::warning,
                {.zone = device.first, .device = device.second, .event = log::Event::device_stalled},
                std::format(
                    "{} does not answer: nothing that the guest has asked of it has been finished for "
                    "10 s or more; its guest waits, other zones do not",
                    backend));
        }
    }
    for (const auto& [device, backend] : stalled_) {
        if (!now.contains(device)) {
            log::write_later(
                log::Level::info,
                {.zone = device.first, .device = device.second, .event = log::Event::device_recovered},
                std::format("{} answers again, or its zone has ended", backend));
        }
    }
    stalled_ = std::move(now);
}

std::string Stalls::summary() const {
    std::string text;
    std::size_t named = 0;
    for (const auto& [device, backend] : stalled_) {
        if (named == max_named) {
            return text + std::format(" and {} more", stalled_.size() - named);
        }
        text += std::format("{} {} of {}", named == 0 ? "; no answer:" : ",", device.second, device.first);
        ++named;
    }
    return text;
}

} // namespace hvisor::service
