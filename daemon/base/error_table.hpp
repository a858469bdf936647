// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"

#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>

namespace hvisor {

/// What every D-Bus error name of this project starts with.
inline constexpr std::string_view dbus_error_prefix = "org.syswonder.hvisor1.Error.";

/// The row of a code.
[[nodiscard]] constexpr const ErrorRow& error_row(ErrorCode code) {
    const auto* row = std::ranges::find(error_rows, code, &ErrorRow::code);
    return row == std::end(error_rows) ? error_rows[0] : *row;
}

/// The row of a D-Bus error name, nullptr when it is none of ours.
[[nodiscard]] constexpr const ErrorRow* error_row(std::string_view dbus_name) {
    if (!dbus_name.starts_with(dbus_error_prefix)) {
        return nullptr;
    }
    dbus_name.remove_prefix(dbus_error_prefix.size());
    const auto* row = std::ranges::find(error_rows, dbus_name, &ErrorRow::dbus_name);
    return row == std::end(error_rows) ? nullptr : row;
}

[[nodiscard]] inline std::string dbus_error_name(ErrorCode code) {
    return std::string(dbus_error_prefix) += error_row(code).dbus_name;
}

/// The code that an errno value of open(), read() and the like stands for.
[[nodiscard]] constexpr ErrorCode error_code_of_errno(int value) {
    switch (value) {
    case ENOENT:
    case ENOTDIR:
        return ErrorCode::not_found;
    case EACCES:
    case EPERM:
    case EROFS:
        return ErrorCode::not_permitted;
    default:
        return ErrorCode::io_error;
    }
}

} // namespace hvisor
