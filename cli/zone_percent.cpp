// SPDX-License-Identifier: Apache-2.0
#include "zone_percent.hpp"

#include <memory>
#include <optional>

namespace hvisor::cli {

Progress::Percent percent_of_start(const Client& client) {
    return [other = std::make_shared<Client>(client.address())]() -> std::optional<unsigned> {
        const auto rows = other->zones();
        if (!rows) {
            return std::nullopt;
        }
        for (const ZoneRow& row : *rows) {
            if (row.state == "starting" && row.progress != 0) {
                return row.progress;
            }
        }
        return std::nullopt;
    };
}

} // namespace hvisor::cli
