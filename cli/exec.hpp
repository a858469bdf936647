// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "failure.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace hvisor::cli {

/// `word` as a shell has to be given it; quoted only where that is needed.
[[nodiscard]] std::string shell_word(std::string_view word);

/// Become another program, found by PATH; `words` starts with its name. Returns
/// only when that did not work.
[[nodiscard]] Outcome<void> become(std::vector<std::string> words);

/// Run hvisorctl with these arguments on another machine, by ssh(1): "host" or
/// "user@host". A terminal is passed on when there is one.
[[nodiscard]] Outcome<void> become_remote(const std::string& host, const std::vector<std::string>& arguments);

} // namespace hvisor::cli
