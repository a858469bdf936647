// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "zone/virtio_config.hpp"
#include "zone/zone_file.hpp"

#include <catch2/catch_test_macros.hpp>

#include <string>
#include <utility>

namespace hvisor::zone::test {

/// A zone JSON that can be read.
inline ZoneFile read_zone(const std::string& text) {
    auto zone = read_zone_file(ConfigText{"z.json", text});
    INFO(text);
    INFO((zone ? "" : zone.error().message));
    REQUIRE(zone);
    return std::move(*zone);
}

/// A virtio JSON that can be read.
inline VirtioConfig read_virtio(const std::string& text) {
    const auto virtio = read_virtio_config(ConfigText{"v.json", text});
    INFO((virtio ? "" : virtio.error().message));
    REQUIRE(virtio);
    return virtio->config;
}

/// What is said of a virtio JSON that cannot be read.
inline std::string virtio_refusal(const std::string& text) {
    const auto virtio = read_virtio_config(ConfigText{"v.json", text});
    REQUIRE_FALSE(virtio);
    CHECK(virtio.error().code == ErrorCode::invalid_config);
    return virtio.error().message;
}

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
