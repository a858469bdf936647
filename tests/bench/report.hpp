// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace hvisor::bench {

/// One line of the table. What was not measured has a note instead.
struct Row {
    std::string name;
    std::string unit;
    std::string upstream; ///< what upstream's C daemon reaches
    std::string goal;
    bool lower_is_better = false;
    std::optional<double> bound = std::nullopt; ///< the goal as a number: ours is at least as good
    std::optional<double> ratio = std::nullopt; ///< the goal as a part of the limit
    bool either = false;                        ///< one of the two is enough
    std::optional<double> ours = std::nullopt;
    std::optional<double> limit = std::nullopt;
    const char* limit_name = "";                    ///< what the limit is the figure of
    std::optional<std::string> note = std::nullopt; ///< instead of figures

    /// Nothing when there is nothing to say.
    [[nodiscard]] std::optional<bool> is_met() const;
};

[[nodiscard]] std::string to_markdown(const std::vector<Row>& rows);
[[nodiscard]] std::string to_json(const std::string& machine, const std::vector<Row>& rows);

} // namespace hvisor::bench
