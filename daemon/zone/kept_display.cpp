// SPDX-License-Identifier: Apache-2.0
#include "zone/kept_display.hpp"

#include <format>
#include <string>
#include <utility>

namespace hvisor::zone {

using devices::gpu::DrmInherited;
using devices::gpu::DrmKeeper;
using devices::gpu::DrmLent;

namespace {

/// "card.0": the card's file, which each of its displays keeps.
std::string card_name(std::size_t number) {
    return std::format("{}.{}", kept_card, number);
}

/// "lease.0", which ".card0.HDMI-A-1" follows.
std::string lease_name(std::size_t number) {
    return std::format("{}.{}", kept_lease, number);
}

} // namespace

std::optional<DrmInherited> take_display(KeptFiles& files, std::size_t number) {
    auto card = files.take(card_name(number));
    auto lease = files.take_one_of(lease_name(number));
    if (!card || !lease) {
        return std::nullopt;
    }
    // No card has a point in its name.
    const auto point = lease->rest.find('.');
    if (point == std::string::npos) {
        return std::nullopt;
    }
    return DrmInherited{.card = lease->rest.substr(0, point),
                        .connector = lease->rest.substr(point + 1),
                        .master = std::move(card),
                        .lease = std::move(lease->file)};
}

DrmKeeper keep_display(KeptFiles& files, std::size_t number) {
    const auto drop = [&files, number] {
        const bool had_lease = files.drop_all(lease_name(number));
        return files.drop(card_name(number)) || had_lease;
    };
    return {.keep =
                [&files, number, drop](const DrmLent& lent) {
                    static_cast<void>(drop());
                    files.keep(card_name(number), lent.master);
                    files.keep(std::format("{}.{}.{}", lease_name(number), lent.card, lent.connector),
                               lent.lease);
                },
            .drop =
                [&files, drop] {
                    if (drop()) {
                        files.settle();
                    }
                }};
}

} // namespace hvisor::zone
