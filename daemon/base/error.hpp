// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cerrno>
#include <expected>
#include <format>
#include <string>
#include <string_view>
#include <utility>

namespace hvisor {

/// What kind of failure an Error is. Each has one row in error_table(), which
/// the daemon, hvisorctl, the documentation and the tests share.
enum class ErrorCode {
    failed,             ///< nothing more precise is known
    invalid_config,     ///< a configuration file or its contents are wrong
    no_such_zone,       ///< no zone of that name or number
    no_such_device,     ///< the zone has no such device
    zone_exists,        ///< a zone of that name or number is already there
    wrong_state,        ///< not possible in the state the zone is in
    resource_busy,      ///< a CPU, interrupt, image or range belongs to another
    not_found,          ///< a file does not exist
    not_permitted,      ///< the caller may not do this
    no_hypervisor,      ///< /dev/hvisor is not there, or this is not the root zone
    incompatible,       ///< hypervisor or module of another version
    hypervisor_refused, ///< the hypervisor answered with an error
    io_error,           ///< reading or writing failed
    timed_out,          ///< no answer in time
    cancelled,          ///< somebody has asked to give it up
};

/// How an ErrorCode appears to each side of the house.
struct ErrorRow {
    ErrorCode code;
    std::string_view dbus_name; ///< the last part of org.syswonder.hvisor1.Error.NAME
    int errno_value;            ///< the nearest errno
    int exit_status;            ///< exit status of hvisorctl
};

/// 0 is success and 2 wrong usage; 5 is "daemon unreachable", which no Error carries.
inline constexpr ErrorRow error_rows[] = {
    {ErrorCode::failed, "Failed", EIO, 1},
    {ErrorCode::invalid_config, "InvalidConfig", EINVAL, 8},
    {ErrorCode::no_such_zone, "NoSuchZone", ENOENT, 3},
    {ErrorCode::no_such_device, "NoSuchDevice", ENODEV, 3},
    {ErrorCode::zone_exists, "ZoneExists", EEXIST, 7},
    {ErrorCode::wrong_state, "WrongState", EBUSY, 7},
    {ErrorCode::resource_busy, "ResourceBusy", EBUSY, 7},
    {ErrorCode::not_found, "NotFound", ENOENT, 3},
    {ErrorCode::not_permitted, "NotPermitted", EPERM, 4},
    {ErrorCode::no_hypervisor, "NoHypervisor", ENXIO, 9},
    {ErrorCode::incompatible, "Incompatible", EPROTO, 9},
    {ErrorCode::hypervisor_refused, "HypervisorRefused", EIO, 9},
    {ErrorCode::io_error, "IoError", EIO, 1},
    {ErrorCode::timed_out, "TimedOut", ETIMEDOUT, 6},
    {ErrorCode::cancelled, "Cancelled", ECANCELED, 10},
};

/// A failure as a person reads it: `message` is one sentence that names the
/// file, key, zone or device, what was expected, and what to do.
struct Error {
    ErrorCode code = ErrorCode::failed;
    std::string message;

    /// The same failure with where it happened put before it: "zone linux2: …".
    [[nodiscard]] Error with_context(std::string_view context) && {
        message = std::format("{}: {}", context, message);
        return std::move(*this);
    }
};

template <class T>
using Result = std::expected<T, Error>;

/// `return fail(ErrorCode::not_found, "kernel {}: …", path);`
template <class... Args>
[[nodiscard]] std::unexpected<Error> fail(ErrorCode code, std::format_string<Args...> format,
                                          Args&&... args) {
    return std::unexpected(Error{code, std::format(format, std::forward<Args>(args)...)});
}

} // namespace hvisor
