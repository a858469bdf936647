// SPDX-License-Identifier: Apache-2.0
#include "service/polkit.hpp"

#include "base/log.hpp"
#include "base/unix_listener.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <format>
#include <map>
#include <optional>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

namespace hvisor::service {
namespace {

// A person may have to find a password.
constexpr std::chrono::minutes person_time{2};

// Bit of CheckAuthorization()'s flags.
constexpr std::uint32_t allow_user_interaction = 1;

using Subject = sdbus::Struct<std::string, std::map<std::string, sdbus::Variant>>;
using Answer = sdbus::Struct<bool, bool, std::map<std::string, std::string>>;

/// The one who has sent a message, as the bus tells.
struct Caller {
    std::string name; ///< its unique name on the bus
    uid_t user = 0;
    std::vector<gid_t> groups{};
};

struct UnrefCreds {
    void operator()(sd_bus_creds* creds) const { sd_bus_creds_unref(creds); }
};

std::optional<Caller> caller_of(sd_bus_message* message) {
    sd_bus_creds* handle = nullptr;
    constexpr std::uint64_t wanted = SD_BUS_CREDS_EUID | SD_BUS_CREDS_SUPPLEMENTARY_GIDS;
    const char* sender = sd_bus_message_get_sender(message);
    if (sender == nullptr || sd_bus_query_sender_creds(message, wanted, &handle) < 0) {
        return std::nullopt;
    }
    const std::unique_ptr<sd_bus_creds, UnrefCreds> creds(handle);
    Caller caller{.name = sender};
    if (sd_bus_creds_get_euid(creds.get(), &caller.user) < 0) {
        return std::nullopt;
    }
    const gid_t* groups = nullptr;
    if (const int count = sd_bus_creds_get_supplementary_gids(creds.get(), &groups); count > 0) {
        const std::span<const gid_t> all(groups, static_cast<std::size_t>(count));
        caller.groups.assign(all.begin(), all.end());
    }
    return caller;
}

/// Whether an error says that nobody serves polkit's name, rather than that polkit is in trouble.
bool is_absent(const sdbus::Error& error) {
    constexpr std::array names = {
        std::string_view("org.freedesktop.DBus.Error.ServiceUnknown"),
        std::string_view("org.freedesktop.DBus.Error.NameHasNoOwner"),
        std::string_view("org.freedesktop.systemd1.NoSuchUnit"),
    };
    return std::ranges::contains(names, std::string_view(error.getName()));
}

std::string about(const std::string& zone) {
    return zone.empty() ? "" : std::format(" (zone {})", zone);
}

Result<void> judge(const Answer& answer, std::string_view action, const std::string& zone) {
    if (std::get<0>(answer)) {
        return {};
    }
    if (std::get<1>(answer)) {
        return fail(
            ErrorCode::not_permitted,
            "not permitted: polkit wants a person to authenticate for org.syswonder.hvisor1.{}{}; try "
            "again as root, or where polkit has an agent that can ask",
            action, about(zone));
    }
    return fail(ErrorCode::not_permitted, "not permitted: polkit refuses org.syswonder.hvisor1.{}{}", action,
                about(zone));
}

} // namespace

Polkit::Polkit(sd_bus& bus, sdbus::IConnection& connection)
    : bus_(bus),
      group_(control_group()),
      polkit_(sdbus::createProxy(connection, sdbus::ServiceName("org.freedesktop.PolicyKit1"),
                                 sdbus::ObjectPath("/org/freedesktop/PolicyKit1/Authority"))) {}

void Polkit::ask(Action action, const std::string& zone, Verdict verdict) {
    sd_bus_message* message = sd_bus_get_current_message(&bus_);
    const auto caller = message == nullptr ? std::nullopt : caller_of(message);
    if (!caller) {
        verdict(fail(ErrorCode::not_permitted, "not permitted: the bus does not say who has asked"));
        return;
    }
    if (caller->user == 0) {
        verdict({});
        return;
    }
    const bool is_interactive = sd_bus_message_get_allow_interactive_authorization(message) > 0;
    const std::string name(to_string(action));
    std::map<std::string, std::string> details;
    if (!zone.empty()) {
        details.emplace("zone", zone);
    }
    const bool is_for_group = action != Action::define_zones;
    const bool is_member = is_for_group && group_ && std::ranges::contains(caller->groups, *group_);
    polkit_->callMethodAsync("CheckAuthorization")
        .onInterface("org.freedesktop.PolicyKit1.Authority")
        .withTimeout(person_time)
        .withArguments(Subject("system-bus-name", {{"name", sdbus::Variant(caller->name)}}),
                       "org.syswonder.hvisor1." + name, details, is_interactive ? allow_user_interaction : 0U,
                       std::string())
        .uponReplyInvoke([this, name, zone, is_member, is_for_group,
                          verdict = std::make_shared<Verdict>(std::move(verdict))](
                             std::optional<sdbus::Error> error, const Answer& answer) {
            if (!error) {
                (*verdict)(judge(answer, name, zone));
                return;
            }
            if (!is_absent(*error)) {
                (*verdict)(
                    fail(ErrorCode::not_permitted,
                         "not permitted: polkit could not be asked about org.syswonder.hvisor1.{}{}: {}",
                         name, about(zone), error->getMessage()));
                return;
            }
            if (!std::exchange(has_told_, true)) {
                log::info("polkit is not there ({}): root and the group hvisor may change zones",
                          error->getMessage());
            }
            (*verdict)(is_member ? Result<void>()
                                 : fail(ErrorCode::not_permitted, "not permitted: be root{}",
                                        is_for_group ? ", or a member of the group hvisor" : ""));
        });
}

} // namespace hvisor::service
