// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "client.hpp"
#include "objects.hpp"

#include <string>
#include <vector>

namespace hvisor::cli {

/// What zones, their devices, queues and the bridge (Statistics of the Manager)
/// have counted, as OpenMetrics 1.0 text, which Prometheus' older text format
/// takes as well. Times of requests are counters with the label "le", because
/// their sum, which a histogram has, is not known; histogram_quantile() works
/// on their rate().
[[nodiscard]] std::string openmetrics(const std::vector<ZoneObjects>& zones,
                                      const std::map<std::string, std::uint64_t>& bridge);

} // namespace hvisor::cli
