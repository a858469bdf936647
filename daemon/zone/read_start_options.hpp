// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "zone/config_reader.hpp"
#include "zone/zone_file.hpp"

namespace hvisor::zone {

/// Read the device tree, the initial RAM disk and how the zone is started. All
/// but the device tree's file and address is of the one-file form only.
void read_start_options(const ConfigReader& zone, ZoneConfig& config, StartOptions& start);

/// Read a path and its address into `images`; upstream's word for no file is
/// "null". Whether there is a file.
bool read_image(const ConfigReader& parent, ImageRole role, std::string_view path_name,
                std::string_view address_name, std::uint64_t& load_paddr, std::vector<ImageFile>& images);

} // namespace hvisor::zone
