// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "zone/zone_file.hpp"

#include <catch2/catch_test_macros.hpp>

#include <string>

namespace hvisor::zone::test {

/// What is said of a zone JSON that cannot be read.
inline std::string refusal(const std::string& text) {
    const auto zone = read_zone_file(ConfigText{"z.json", text});
    REQUIRE_FALSE(zone);
    CHECK(zone.error().code == ErrorCode::invalid_config);
    return zone.error().message;
}

/// A change of a good file, and what is said of it then.
struct Change {
    const char* from;
    const char* to;
    const char* message;
};

} // namespace hvisor::zone::test
