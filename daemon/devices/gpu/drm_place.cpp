// SPDX-License-Identifier: Apache-2.0
#include "devices/gpu/drm_place.hpp"

#include <utility>

namespace hvisor::devices::gpu {
namespace {

Result<DrmPlace> place_on(const std::string& card, const std::string& connector, const std::string& user) {
    auto found = DrmCard::find(card);
    if (!found) {
        return std::unexpected(std::move(found).error());
    }
    return (*found)->claim(connector, user).transform([](auto&& claim) {
        return DrmPlace{.claim = std::forward<decltype(claim)>(claim)};
    });
}

/// Nothing when it cannot be had any more: the card was taken away, or became another's.
std::optional<DrmPlace> place_of(DrmInherited inherited, const std::string& user) {
    const auto card = DrmCard::find(inherited.card);
    if (!card) {
        return std::nullopt;
    }
    // First, as displays are asked by it.
    auto remains = (*card)->inherit(std::move(inherited.master), std::move(inherited.lease));
    auto claim = (*card)->claim(inherited.connector, user);
    if (!claim) {
        return std::nullopt;
    }
    return DrmPlace{.claim = std::move(*claim), .remains = std::move(remains)};
}

} // namespace

Result<DrmPlace> find_place(const std::string& card, const std::string& connector, const std::string& user,
                            std::optional<DrmInherited> inherited) {
    if (inherited) {
        if (auto place = place_of(std::move(*inherited), user)) {
            return std::move(*place);
        }
    }
    if (!card.empty()) {
        return place_on(card, connector, user);
    }
    std::optional<Error> first;
    for (const auto& name : DrmCard::names()) {
        auto place = place_on(name, connector, user);
        if (place) {
            return place;
        }
        if (!first) {
            first = std::move(place).error();
        }
    }
    if (first) {
        return std::unexpected(std::move(*first));
    }
    return fail(ErrorCode::not_found,
                R"(there is no graphics card in /dev/dri: load its driver, or choose "backend": "headless")");
}

} // namespace hvisor::devices::gpu
