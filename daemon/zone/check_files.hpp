// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "zone/candidates.hpp"
#include "zone/config_text.hpp"

#include <span>
#include <string>
#include <vector>

namespace hvisor::zone {

/// Check zone JSONs of both forms and virtio JSONs as what would run at the
/// same time, as far as it can be done without a machine: each zone in itself,
/// with its devices, its images and its device tree, and with the other zones.
/// Files are opened where their paths say, and only read.
[[nodiscard]] Candidates check_files(std::span<const ConfigText> files);

/// What only a machine can tell of these zones, for Findings::left_out where none is asked.
[[nodiscard]] std::vector<std::string> left_to_machine(std::span<const Candidate> zones);

} // namespace hvisor::zone
