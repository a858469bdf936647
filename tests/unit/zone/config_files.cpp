// SPDX-License-Identifier: Apache-2.0
#include "zone/config_files.hpp"

#include "temporary_directory.hpp"
#include "zone_text.hpp"

#include <catch2/catch_test_macros.hpp>

#include <filesystem>
#include <string>
#include <vector>

namespace config_files_test {

using namespace hvisor::zone;
using test::changed;
using test::good_one_file;
using test::good_zone;

namespace {

namespace fs = std::filesystem;

/// Three folders, the first of which wins.
struct Folders {
    test::TemporaryDirectory root;
    std::vector<fs::path> paths{root.path() / "etc", root.path() / "run", root.path() / "usr"};

    Folders() {
        for (const fs::path& path : paths) {
            fs::create_directories(path / "linux2.json.d");
        }
    }

    void write(const std::string& name, std::string_view text) const { root.write(name, std::string(text)); }

    [[nodiscard]] hvisor::Result<ZoneFile> read() const {
        const auto files = find_config(paths, "linux2");
        if (!files) {
            return std::unexpected(files.error());
        }
        auto document = merge_config(*files);
        if (!document) {
            return std::unexpected(std::move(document).error());
        }
        return read_zone_file(std::move(*document));
    }

    /// A message without the name of the folder, which is another in every run.
    [[nodiscard]] std::string refusal() const {
        const auto zone = read();
        REQUIRE_FALSE(zone);
        std::string text = zone.error().message;
        const std::string folder = root.path().string() + "/";
        for (std::size_t at = text.find(folder); at != std::string::npos; at = text.find(folder)) {
            text.erase(at, folder.size());
        }
        return text;
    }
};

} // namespace

TEST_CASE("the first folder that has a zone's file wins") {
    const Folders folders;
    CHECK(folders.refusal().starts_with("there is no linux2.json in "));
    folders.write("usr/linux2.json", changed(good_one_file, R"("zone_id": 1)", R"("zone_id": 3)"));
    CHECK(folders.read()->config.zone_id == 3);
    folders.write("run/linux2.json", changed(good_one_file, R"("zone_id": 1)", R"("zone_id": 2)"));
    CHECK(folders.read()->config.zone_id == 2);
    folders.write("etc/linux2.json", good_one_file);
    CHECK(folders.read()->config.zone_id == 1);
}

TEST_CASE("drop-ins of all folders change a zone in the order of their names") {
    const Folders folders;
    folders.write("usr/linux2.json", good_one_file);
    folders.write("etc/linux2.json.d/20-b.json", R"({ "zone_id": 5, "cpus": [1], "clear_ram": null })");
    folders.write("usr/linux2.json.d/10-a.json", R"({ "zone_id": 4, "arch_config": { "gicd_base": 4096 } })");
    folders.write("usr/linux2.json.d/20-b.json", R"({ "zone_id": 6 })");
    folders.write("usr/linux2.json.d/30-c.txt", R"({ "zone_id": 7 })");
    const auto zone = folders.read();
    REQUIRE(zone);
    CHECK(zone->config.zone_id == 5);
    CHECK(zone->config.cpus == std::vector<std::uint32_t>{1});
    CHECK_FALSE(zone->start.clear_ram);
    const auto& gic = std::get<GicV3>(std::get<Aarch64Config>(zone->config.arch).gic);
    CHECK(gic.gicd_base == 4096);
    CHECK(gic.gicd_size == 0x10000);
}

TEST_CASE("a problem is named with the file it came from") {
    const Folders folders;
    folders.write("usr/linux2.json", changed(good_one_file, R"("Image")", "7"));
    folders.write("etc/linux2.json.d/a.json",
                  "{ \"devices\": [],\n \"cpu\": [1], \"arch_config\": { \"gicd_base\": \"x\" } }");
    CHECK(
        folders.refusal() ==
        "etc/linux2.json.d/a.json:2:44: /arch_config/gicd_base: \"x\" is not a number as it is written here; "
        "expected a whole one of 0 or more and at most 64 bits, decimal such as 4096 or hexadecimal such as "
        "\"0x1000\"\n"
        "usr/linux2.json:8:22: /kernel_filepath: expected the path of a file, or \"null\" for none, found a "
        "number\n"
        "etc/linux2.json.d/a.json:2:9: /cpu: there is no such key; remove it");
}

TEST_CASE("what merging would hide is found before") {
    const Folders folders;
    folders.write("usr/linux2.json", good_one_file);
    folders.write("etc/linux2.json.d/a.json", R"({ "zone_id": 2, "zone_id": 3 })");
    CHECK(folders.refusal() == "etc/linux2.json.d/a.json:1:28: /zone_id: this key is repeated; it stands at "
                               "etc/linux2.json.d/a.json:1:14 already");
    folders.write("etc/linux2.json.d/a.json", "[]");
    CHECK(folders.refusal() ==
          "etc/linux2.json.d/a.json:1:1: expected an object with the keys of a zone that are to change");
    folders.write("etc/linux2.json.d/a.json", "{} {}");
    CHECK(folders.refusal() ==
          "etc/linux2.json.d/a.json:1:3: there is text behind the end of the zone; remove it");
}

TEST_CASE("a zone of upstream's form takes no drop-in") {
    const Folders folders;
    folders.write("usr/linux2.json", good_zone);
    CHECK(folders.read());
    folders.write("etc/linux2.json.d/a.json", "{}");
    CHECK(folders.refusal() ==
          "etc/linux2.json.d/a.json: drop-ins change zones of the one-file form only, and "
          "usr/linux2.json has no \"devices\"; convert it with hvisorctl config import");
}

TEST_CASE("merging is that of RFC 7386") {
    // The appendix of the RFC, as far as a document here can say it.
    const auto merged = [](const char* original, const char* patch) {
        auto document = JsonDocument::parse(ConfigText{"o", original});
        auto other = JsonDocument::parse(ConfigText{"p", patch});
        REQUIRE(document);
        REQUIRE(other);
        document->merge(std::move(*other));
        return std::move(*document);
    };
    const auto text = [](const JsonDocument& document, const char* key) -> std::string {
        const auto* member = document.root().find_exactly(key);
        return member == nullptr ? "absent" : member->value.text;
    };
    CHECK(text(merged(R"({"a":"b"})", R"({"a":"c"})"), "a") == "c");
    CHECK(text(merged(R"({"a":"b"})", R"({"b":"c"})"), "b") == "c");
    CHECK(text(merged(R"({"a":"b"})", R"({"a":null})"), "a") == "absent");
    CHECK(text(merged(R"({"a":["b"]})", R"({"a":"c"})"), "a") == "c");
    CHECK(merged(R"({"a":"c"})", R"({"a":["b"]})").root().find("a")->value.elements.size() == 1);
    CHECK(
        merged(R"({"a":{"b":"c"}})", R"({"a":{"b":"d","c":null}})").root().find("a")->value.members.size() ==
        1);
    CHECK(merged(R"({"e":null})", R"({"a":1})").root().members.size() == 2);
    const auto nested = merged("{}", R"({"a":{"bb":{"ccc":null}}})");
    CHECK(nested.root().find("a")->value.find("bb")->value.members.empty());
    CHECK(merged(R"([1,2])", R"({"a":"b","c":null})").root().members.size() == 1);
}

} // namespace config_files_test
