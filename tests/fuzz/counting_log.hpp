// SPDX-License-Identifier: Apache-2.0
#pragma once

// A log that is only counted: it stands in for daemon/base/log.cpp, whose
// functions it defines, and so the linker leaves that one out.
namespace hvisor::fuzz {

struct LogCount {
    unsigned lines = 0;  ///< warnings and worse
    unsigned errors = 0; ///< among them; a guest can cause none
};

/// What was logged since this was called last.
[[nodiscard]] LogCount take_log_count();

} // namespace hvisor::fuzz
