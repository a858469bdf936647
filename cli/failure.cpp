// SPDX-License-Identifier: Apache-2.0
#include "failure.hpp"

#include "base/error_table.hpp"

#include <algorithm>
#include <array>
#include <format>
#include <string_view>
#include <utility>

namespace hvisor::cli {
namespace {

// Names that a bus, or systemd on its behalf, answers with when nobody serves
// the name, or when it went away before it answered.
constexpr std::array unreachable_names = {
    std::string_view("org.freedesktop.DBus.Error.ServiceUnknown"),
    std::string_view("org.freedesktop.DBus.Error.NameHasNoOwner"),
    std::string_view("org.freedesktop.DBus.Error.NoServer"),
    std::string_view("org.freedesktop.DBus.Error.NoReply"),
    std::string_view("org.freedesktop.DBus.Error.Disconnected"),
    std::string_view("org.freedesktop.DBus.Error.FileNotFound"),
    std::string_view("org.freedesktop.DBus.Error.TimedOut"),
    std::string_view("System.Error.ECONNREFUSED"),
    std::string_view("System.Error.ECONNRESET"),
    std::string_view("System.Error.ENOTCONN"),
};

bool is_unreachable(std::string_view name) {
    return std::ranges::contains(unreachable_names, name) ||
           name.starts_with("org.freedesktop.DBus.Error.Spawn.") ||
           name.starts_with("org.freedesktop.systemd1.");
}

} // namespace

std::unexpected<Failure> fail(int exit_status, std::string message) {
    return std::unexpected(Failure{.exit_status = exit_status, .message = std::move(message)});
}

std::unexpected<Failure> fail(Error error) {
    return fail(error_row(error.code).exit_status, std::move(error.message));
}

std::unexpected<Failure> fail(const sdbus::Error& error) {
    const std::string_view name = error.getName();
    if (const auto* row = error_row(name)) {
        return fail(row->exit_status, error.getMessage());
    }
    if (name == "org.freedesktop.DBus.Error.AccessDenied") {
        return fail(error_row(ErrorCode::not_permitted).exit_status,
                    "not permitted: be root, or a member of the group hvisor");
    }
    if (name == "org.freedesktop.DBus.Error.Timeout") {
        return fail(error_row(ErrorCode::timed_out).exit_status,
                    "hvisord did not answer in time; what it was asked for may still happen");
    }
    if (is_unreachable(name)) {
        return fail(exit_unreachable, std::format("hvisord cannot be reached ({}): is it running? Look at "
                                                  "'systemctl status hvisord'",
                                                  error.getMessage()));
    }
    return fail(error_row(ErrorCode::failed).exit_status, std::format("{} ({})", error.getMessage(), name));
}

} // namespace hvisor::cli
