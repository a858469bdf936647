// SPDX-License-Identifier: Apache-2.0
#include "report.hpp"

#include <cmath>
#include <format>
#include <rapidjson/prettywriter.h>
#include <rapidjson/stringbuffer.h>

namespace hvisor::bench {
namespace {

/// Three digits that say something, thousands apart.
std::string text_of(double value) {
    if (value >= 1000) {
        auto digits = std::format("{:.0f}", value);
        for (auto place = static_cast<std::ptrdiff_t>(digits.size()) - 3; place > 0; place -= 3) {
            digits.insert(static_cast<std::size_t>(place), ",");
        }
        return digits;
    }
    const int decimals = value >= 100 ? 0 : value >= 10 ? 1 : 2;
    return std::format("{:.{}f}", value, decimals);
}

std::string with_unit(std::optional<double> value, const Row& row) {
    return value ? text_of(*value) + (row.unit.empty() ? "" : " " + row.unit) : "–";
}

std::string or_dash(const std::string& text) {
    return text.empty() ? "–" : text;
}

} // namespace

std::optional<bool> Row::is_met() const {
    if (!ours || (!bound && !ratio)) {
        return std::nullopt;
    }
    const auto as_good_as = [this](double value) {
        return lower_is_better ? *ours <= value : *ours >= value;
    };
    const bool in_bound = bound && as_good_as(*bound);
    const bool near_limit = ratio && limit && as_good_as(*limit * *ratio);
    if (either) {
        return in_bound || near_limit;
    }
    return (!bound || in_bound) && (!ratio || !limit || near_limit);
}

std::string to_markdown(const std::vector<Row>& rows) {
    std::string text = "| Case | upstream | goal | hvisord | limit | hvisord/limit | goal met |\n"
                       "| --- | --- | --- | --- | --- | --- | --- |\n";
    for (const auto& row : rows) {
        const auto met = row.is_met();
        const auto limit =
            row.limit ? std::format("{} ({})", with_unit(row.limit, row), row.limit_name) : "–";
        text += std::format("| {} | {} | {} | {} | {} | {} | {} |\n", row.name, or_dash(row.upstream),
                            or_dash(row.goal),
                            row.ours ? with_unit(row.ours, row) : or_dash(row.note.value_or("")), limit,
                            row.ours && row.limit && *row.limit > 0 ? text_of(*row.ours / *row.limit) : "–",
                            !met   ? "–"
                            : *met ? "yes"
                                   : "**no**");
    }
    return text;
}

std::string to_json(const std::string& machine, const std::vector<Row>& rows) {
    rapidjson::StringBuffer buffer;
    rapidjson::PrettyWriter<rapidjson::StringBuffer> json(buffer);
    const auto put = [&json](const char* key, const std::string& value) {
        if (!value.empty()) {
            json.Key(key);
            json.String(value.c_str());
        }
    };
    const auto put_number = [&json](const char* key, std::optional<double> value) {
        if (value && std::isfinite(*value)) {
            json.Key(key);
            json.Double(*value);
        }
    };
    json.StartObject();
    put("machine", machine);
    json.Key("rows");
    json.StartArray();
    for (const auto& row : rows) {
        json.StartObject();
        put("name", row.name);
        put("unit", row.unit);
        put("upstream", row.upstream);
        put("goal", row.goal);
        put_number("ours", row.ours);
        put_number("limit", row.limit);
        put("limit_name", row.limit_name);
        put("note", row.note.value_or(""));
        if (const auto met = row.is_met()) {
            json.Key("met");
            json.Bool(*met);
        }
        json.EndObject();
    }
    json.EndArray();
    json.EndObject();
    return std::string(buffer.GetString()) + "\n";
}

} // namespace hvisor::bench
