// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "zone/candidates.hpp"
#include "zone/check_machine.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace hvisor::zone {

/// The most that is compared at once.
inline constexpr std::size_t max_checked_files = 64;
inline constexpr std::size_t max_checked_bytes = std::size_t{4} << 20U;

/// Whether that is too much.
[[nodiscard]] Result<void> check_amount(std::span<const ConfigText> files);

/// What zones have to fit in with, whether it runs or not.
struct Surroundings {
    Machine machine;
    Result<std::uint64_t> magic;           ///< the hypervisor's
    std::vector<Candidate> configured{};   ///< on this machine, by the names of their files
    std::vector<std::string> unreadable{}; ///< names of configured zones whose files have problems
};

/// Compare zones that are to run together with everything but themselves: one
/// of the same number and name, which runs or is configured, is what they are
/// to replace. What zones that run have is a problem, what others that are
/// configured want a warning. The files' own problems are not told again; a
/// zone that has some is left out. Names of files start in the folder `here`.
[[nodiscard]] Findings check_fit(const Candidates& given, Surroundings around,
                                 const std::filesystem::path& here);

} // namespace hvisor::zone
