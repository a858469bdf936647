// SPDX-License-Identifier: Apache-2.0
#include "zone/zone_encoder.hpp"

#include "zone/write_zone_file.hpp"
#include "zone/zone_file.hpp"

#include <catch2/catch_test_macros.hpp>

#include <charconv>
#include <fstream>
#include <iterator>
#include <string>

namespace zone_encoder_test {

using namespace hvisor::zone;

namespace {

std::string vectors_text() {
    std::ifstream file(ZONE_CONFIG_VECTORS);
    return {std::istreambuf_iterator<char>(file), {}};
}

const JsonValue& at(const JsonValue& value, std::string_view name) {
    const JsonMember* member = value.find(name);
    REQUIRE(member != nullptr);
    return member->value;
}

std::uint64_t number(const JsonValue& value) {
    std::uint64_t result = 0;
    std::from_chars(value.text.data(), value.text.data() + value.text.size(), result);
    return result;
}

/// The whole structure that a vector describes: its runs, and zeros around them.
std::vector<std::byte> expected_bytes(const JsonValue& vector) {
    std::vector<std::byte> bytes(number(at(vector, "total_size")));
    for (const JsonValue& run : at(vector, "runs").elements) {
        std::size_t offset = number(at(run, "offset"));
        const std::string& hex = at(run, "hex").text;
        for (std::size_t i = 0; i < hex.size(); i += 2) {
            unsigned byte = 0;
            std::from_chars(&hex[i], &hex[i] + 2, byte, 16);
            bytes.at(offset++) = static_cast<std::byte>(byte);
        }
    }
    return bytes;
}

} // namespace

TEST_CASE("the structure equals the test vectors of the interface byte for byte") {
    const std::string text = vectors_text();
    const auto document = JsonDocument::parse(ConfigText{"vectors", text});
    REQUIRE(document);
    const JsonValue& inputs = at(document->root(), "inputs");
    const auto& vectors = at(document->root(), "vectors").elements;
    CHECK(vectors.size() == 14);
    for (const JsonValue& vector : vectors) {
        INFO(at(vector, "name").text);
        const JsonValue& input = at(inputs, at(vector, "input").text.substr(std::string("inputs.").size()));
        // What follows the zone in the text is ignored.
        const auto zone = read_zone_file(ConfigText{"zone", text.substr(at(input, "zone").offset)});
        INFO((zone ? "" : zone.error().message));
        REQUIRE(zone);
        ImageSizes sizes;
        sizes.kernel = zone->config.image(ImageRole::kernel) ? number(at(input, "kernel_file_bytes")) : 0;
        sizes.dtb = zone->config.image(ImageRole::dtb) ? number(at(input, "dtb_file_bytes")) : 0;
        const auto layouts = layouts_for_magic(number(at(vector, "magic")), zone->config.arch);
        REQUIRE(layouts);
        const auto bytes = encode(zone->config, sizes, layouts->front());
        const auto expected = expected_bytes(vector);
        // The one-file form says the same.
        const auto rewritten = read_zone_file(ConfigText{"rewritten", write_zone_file(*zone, {})});
        INFO((rewritten ? "" : rewritten.error().message));
        REQUIRE(rewritten);
        CHECK(encode(rewritten->config, sizes, layouts->front()) == expected);
        REQUIRE(bytes.size() == expected.size());
        for (std::size_t i = 0; i < bytes.size(); ++i) {
            INFO("offset " << i);
            REQUIRE(bytes[i] == expected[i]);
        }
    }
}

TEST_CASE("layout v5b has the sizes of the interface's table, and the PCI devices of v6") {
    struct Case {
        ArchConfig arch;
        std::size_t size;
        std::size_t devices;
    };
    for (const Case& test : {Case{Aarch64Config{}, 3264, 2880}, Case{Riscv64Config{}, 3208, 2824},
                             Case{Loongarch64Config{}, 3184, 2800}, Case{X8664Config{}, 3264, 2880}}) {
        ZoneConfig config;
        config.arch = test.arch;
        config.alloc_pci_devs = {{1, 2, 3, 4, 5, 6, 7, 0x08090a0b}};
        const auto bytes = encode(config, {}, Layout::v5b);
        REQUIRE(bytes.size() == test.size);
        CHECK(bytes[test.devices + 6] == std::byte{7});
        CHECK(bytes[test.devices + 8] == std::byte{0x0b});
    }
}

TEST_CASE("the structure of x86_64 from before 2026-02 lacks the region of UEFI") {
    CHECK(layouts_for_magic(5, X8664Config{}).value() ==
          std::vector{Layout::v5a, Layout::v5b, Layout::v5a_before_uefi_id});
    X8664Config arch;
    arch.acpi_memory_region_id = 0x21;
    arch.uefi_memory_region_id = 0x22;
    arch.screen_base = 0x23;
    ZoneConfig config;
    config.arch = arch;
    config.alloc_pci_devs = {{1, 2, 3, 4, 5, 6, 7, 0x08090a0b}};
    const auto bytes = encode(config, {}, Layout::v5a_before_uefi_id);
    // The sizes and offsets of the interface's table (5.2); all sizes of magic 5 differ.
    REQUIRE(bytes.size() == 3128);
    CHECK(bytes[2360 + 64] == std::byte{0x21});
    CHECK(bytes[2360 + 72] == std::byte{0x23});
    CHECK(bytes[2864] == std::byte{1});
    CHECK(bytes[2872 + 3] == std::byte{4});
    CHECK(bytes[2872 + 4] == std::byte{0x0b});
    CHECK(encode(config, {}, Layout::v5a).size() == 3136);
    CHECK(encode(config, {}, Layout::v5b).size() == 3264);
}

TEST_CASE("a magic names its layouts, an unknown one both versions") {
    CHECK(layouts_for_magic(6, X8664Config{}).value() == std::vector{Layout::v6});
    CHECK(layouts_for_magic(5, Aarch64Config{}).value() == std::vector{Layout::v5a, Layout::v5b});
    const auto unknown = layouts_for_magic(4, Aarch64Config{});
    REQUIRE_FALSE(unknown);
    CHECK(unknown.error().code == hvisor::ErrorCode::incompatible);
    CHECK(unknown.error().message.starts_with(
        "the hypervisor takes zone configurations of version 0x4, this hvisord"));
    CHECK(unknown.error().message.contains("versions 0x5 and 0x6"));
}

} // namespace zone_encoder_test
