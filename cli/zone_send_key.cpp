// SPDX-License-Identifier: Apache-2.0
#include "command.hpp"
#include "keys.hpp"

#include <CLI/CLI.hpp>

#include <cstdint>
#include <format>
#include <memory>
#include <optional>
#include <print>
#include <string>
#include <vector>

namespace hvisor::cli {
namespace {

constexpr std::uint32_t longest_hold = 10'000; // ms
constexpr int most_keys = 16;

struct Keys {
    std::string zone;
    std::vector<std::string> names;
    std::optional<std::uint32_t> hold; ///< ms
};

Outcome<void> send_keys(Client& client, const Keys& keys) {
    const auto row = client.find_zone(keys.zone);
    if (!row) {
        return std::unexpected(row.error());
    }
    std::vector<std::uint16_t> numbers;
    std::vector<std::string> words{"aqa{sv}", std::to_string(keys.names.size())};
    for (const auto& name : keys.names) {
        numbers.push_back(key_number(name).value_or(0)); // which the command line has checked
        words.push_back(std::to_string(numbers.back()));
    }
    Dictionary options;
    if (keys.hold) {
        constexpr std::uint64_t microseconds = 1000;
        options.emplace("hold-usec", sdbus::Variant(*keys.hold * microseconds));
        words.insert(words.end(), {"1", "hold-usec", "t", std::to_string(*keys.hold * microseconds)});
    } else {
        words.emplace_back("0");
    }
    client.tell(row->path, ZoneProxy::INTERFACE_NAME, "SendKeys", words);
    return client.zone(row->path, [&](ZoneProxy& proxy) { proxy.SendKeys(numbers, options); });
}

} // namespace

void add_zone_send_key(CLI::App& zone, Command& command) {
    auto* verb = zone.add_subcommand("send-key", "Press keys of a zone's keyboard, all at once");
    auto keys = std::make_shared<Keys>();
    const auto lists = std::make_shared<bool>(false);
    verb->add_option("zone", keys->zone, "Name or number of the zone")->type_name("ZONE");
    verb->add_option("key", keys->names, "Keys such as leftctrl, KEY_LEFTCTRL or 29")
        ->type_name("KEY...")
        ->expected(1, most_keys)
        ->check(CLI::Validator(
            [](const std::string& word) {
                return key_number(word)
                           ? ""
                           : std::format("{} is no key; hvisorctl zone send-key --list has all", word);
            },
            ""));
    verb->add_option("--hold", keys->hold, "Milliseconds that they stay down, 100 if nothing is said")
        ->type_name("MS")
        ->check(CLI::Range(std::uint32_t{0}, longest_hold));
    verb->add_flag("--list", *lists, "Print the names of all keys");
    verb->callback([&command, keys, lists] {
        if (*lists) {
            command = [](Client&) -> Outcome<void> {
                for (const auto& name : all_keys()) {
                    std::println("{}", name);
                }
                return {};
            };
            return;
        }
        if (keys->zone.empty() || keys->names.empty()) {
            throw CLI::RequiredError(keys->zone.empty() ? "zone" : "key");
        }
        command = [keys](Client& client) { return send_keys(client, *keys); };
    });
}

} // namespace hvisor::cli
