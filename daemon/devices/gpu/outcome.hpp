// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "devices/gpu/config.hpp"

#include <expected>
#include <string_view>

namespace hvisor::devices::gpu {

/// Why a command is not carried out: what the driver is told, and a person.
/// Nothing has changed then.
struct Refusal {
    Response response = Response::err_unspec;
    std::string_view why; ///< of the program's own text, as it outlives the command
};

template <class T>
using Outcome = std::expected<T, Refusal>;

[[nodiscard]] inline std::unexpected<Refusal> refuse(Response response, std::string_view why) {
    return std::unexpected(Refusal{.response = response, .why = why});
}

} // namespace hvisor::devices::gpu
