// SPDX-License-Identifier: Apache-2.0
#include "zone/zone_file.hpp"

#include <catch2/catch_test_macros.hpp>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

namespace corpus_test {

using namespace hvisor::zone;

namespace {

namespace fs = std::filesystem;

JsonDocument parse(const fs::path& path) {
    std::ifstream file(path);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    auto document = JsonDocument::parse(ConfigText{path.filename(), text});
    REQUIRE(document);
    return std::move(*document);
}

/// A file of the corpus: a drop-in for the zone of the architecture that its name begins with.
hvisor::Result<ZoneFile> read(const fs::path& path) {
    const std::string name = path.filename();
    JsonDocument zone = parse(fs::path(ZONE_CORPUS) / (name.substr(0, name.find('-')) + ".json"));
    zone.merge(parse(path));
    return read_zone_file(std::move(zone));
}

} // namespace

// schema.py holds the JSON schema to the same verdicts.
TEST_CASE("the reader agrees with the corpus") {
    std::size_t files = 0;
    for (const bool is_good : {true, false}) {
        for (const auto& entry : fs::directory_iterator(fs::path(ZONE_CORPUS) / (is_good ? "good" : "bad"))) {
            const auto zone = read(entry.path());
            INFO(entry.path().filename() << ": " << (zone ? "" : zone.error().message));
            CHECK(zone.has_value() == is_good);
            ++files;
        }
    }
    CHECK(files > 100);
}

} // namespace corpus_test
