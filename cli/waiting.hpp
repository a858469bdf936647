// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "client.hpp"
#include "failure.hpp"

#include <CLI/App.hpp>

#include <chrono>
#include <functional>
#include <optional>

namespace hvisor::cli {

/// How long to wait; nothing for ever.
using Patience = std::optional<std::chrono::duration<double>>;

/// The option --timeout of verbs that wait.
void add_timeout(CLI::App& verb, Patience& patience);

/// Look until `is_over` says so: now, and whenever something has changed at
/// `path` or below it. Exit status 6 when the time is up.
[[nodiscard]] Outcome<void> wait_until(const Client& client, const sdbus::ObjectPath& path, Patience patience,
                                       const std::function<Outcome<bool>()>& is_over);

} // namespace hvisor::cli
