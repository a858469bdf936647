// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"

#include <sdbus-c++/sdbus-c++.h>

#include <chrono>
#include <functional>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace hvisor::service {

using Dictionary = std::map<std::string, sdbus::Variant>;

/// An Error as it goes over the bus.
[[nodiscard]] sdbus::Error to_bus_error(const Error& error);

/// The value of a call for sdbus-c++, which takes errors as exceptions.
template <class T>
T value_or_throw(Result<T> result) {
    if (!result) {
        throw to_bus_error(result.error());
    }
    if constexpr (!std::is_void_v<T>) {
        return std::move(*result);
    }
}

/// For arguments that make no sense in themselves.
[[nodiscard]] sdbus::Error invalid_arguments(std::string message);

/// Emit a signal. Nobody is there to hear it when the bus has gone, and the
/// zones must not suffer from that.
void announce(const std::function<void()>& emit) noexcept;

/// Refuse options that this version does not know: a caller who asks for
/// something must not be told it was done. Throws sdbus::Error.
void check_options(const Dictionary& options, std::initializer_list<std::string_view> known);

/// The option "wait" (b) of methods that begin a job: whether the reply waits for its end.
[[nodiscard]] bool waits(const Dictionary& options);

/// The option "timeout-usec" (t) of a shutdown: how long a zone has to power itself off.
[[nodiscard]] std::chrono::microseconds power_off_patience(const Dictionary& options);

[[nodiscard]] sdbus::Error wrong_option_type(const std::string& key, const char* expected,
                                             const sdbus::Variant& value);

/// An option of type T, whose D-Bus signature is `signature`. Throws sdbus::Error when it has another.
template <class T>
[[nodiscard]] std::optional<T> option(const Dictionary& options, const std::string& key,
                                      const char* signature) {
    const auto found = options.find(key);
    if (found == options.end()) {
        return std::nullopt;
    }
    if (!found->second.containsValueOfType<T>()) {
        throw wrong_option_type(key, signature, found->second);
    }
    return found->second.get<T>();
}

} // namespace hvisor::service
