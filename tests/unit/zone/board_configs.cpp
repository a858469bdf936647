// SPDX-License-Identifier: Apache-2.0
#include "zone/check_files.hpp"
#include "zone/check_machine.hpp"
#include "zone/zone_file.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace board_configs_test {

using namespace hvisor::zone;

namespace {

namespace fs = std::filesystem;

/// A board of the hvisor interface's section 11.
struct Board {
    const char* folder;
    std::uint64_t root_cpus; ///< the root zone's, bit n is CPU n
    std::uint32_t cpus;      ///< of the board
    std::uint32_t wake_up;   ///< the interrupt by which the hypervisor wakes the root zone
};

constexpr Board boards[] = {
    {"aarch64/imx8mp", 0x3, 4, 64},
    {"aarch64/ok6254-c", 0x3, 4, 64},
    {"aarch64/phytium-pi", 0x3, 4, 64},
    {"aarch64/qemu-gicv2", 0x3, 4, 64},
    {"aarch64/qemu-gicv3", 0x3, 4, 64},
    {"aarch64/rk3568", 0x3, 4, 64},
    {"aarch64/rk3588", 0x3, 8, 64},
    {"aarch64/zcu102", 0x3, 4, 64},
    {"loongarch64/ls3a5000", 0x1, 4, 64},
    {"loongarch64/ls3a6000", 0x1, 4, 64},
    {"riscv64/hifive-premier-p550", 0x1, 4, 32},
    {"riscv64/megrez", 0x1, 4, 32},
    {"riscv64/qemu-aia", 0x7, 4, 32},
    {"riscv64/qemu-plic", 0x3, 4, 32},
    {"riscv64/ur-dp1000", 0x3, 8, 32},
    {"x86_64/ecx-2300f-peg", 0xff, 16, 6},
    {"x86_64/nuc14mnk", 0x3, 4, 6},
    {"x86_64/qemu", 0x3, 4, 6},
};

ConfigText read(const fs::path& path) {
    std::ifstream file(path);
    return {path, {std::istreambuf_iterator<char>(file), {}}};
}

/// The zones of a board that run together: all in one file, or upstream's two files.
std::vector<std::vector<ConfigText>> sets_of(const fs::path& folder) {
    std::vector<ConfigText> whole;
    std::vector<ConfigText> upstream;
    for (const auto& entry : fs::directory_iterator(folder)) {
        if (entry.path().extension() == ".json") {
            ConfigText text = read(entry.path());
            const auto document = JsonDocument::parse(text);
            REQUIRE(document);
            (form_of(*document) == Form::one_file ? whole : upstream).push_back(std::move(text));
        }
    }
    return {whole, upstream};
}

void check_set(const std::vector<ConfigText>& set) {
    const Candidates report = check_files(set);
    for (const std::string& problem : report.findings.problems) {
        UNSCOPED_INFO(problem);
    }
    CHECK(report.findings.problems.empty());
    CHECK(report.zones.empty() == set.empty());
}

void check_on(const Board& board, const ConfigText& text) {
    INFO(text.name);
    const auto zone = read_zone_file(text);
    if (!zone) {
        return; // a virtio JSON, checked with its zones
    }
    const Machine machine{.zones = {{0, board.root_cpus, "root-linux", false}}, .claims = {}, .reserved = {}};
    const auto fits = check_machine(*zone, nullptr, machine);
    INFO((fits ? "" : fits.error().message));
    CHECK(fits);
    CHECK(std::ranges::all_of(zone->config.cpus, [&board](std::uint32_t cpu) { return cpu < board.cpus; }));
    CHECK_FALSE(std::ranges::contains(zone->config.interrupts, board.wake_up));
    constexpr const char* folders[] = {"aarch64", "riscv64", "loongarch64", "x86_64"};
    CHECK(std::string(board.folder).starts_with(folders[zone->config.arch.index()]));
}

} // namespace

TEST_CASE("the ready files of every board pass the check for it") {
    for (const Board& board : boards) {
        INFO(board.folder);
        bool has_zone = false;
        for (const auto& set : sets_of(fs::path(CONFIGS) / board.folder)) {
            check_set(set);
            for (const ConfigText& text : set) {
                check_on(board, text);
                has_zone = true;
            }
        }
        CHECK(has_zone);
    }
}

TEST_CASE("there is no folder of a board without a check") {
    for (const auto& arch : fs::directory_iterator(CONFIGS)) {
        if (!arch.is_directory()) {
            continue;
        }
        for (const auto& entry : fs::directory_iterator(arch.path())) {
            const std::string folder = arch.path().filename() / entry.path().filename();
            INFO(folder);
            CHECK((!entry.is_directory() || std::ranges::contains(boards, folder, &Board::folder)));
        }
    }
}

} // namespace board_configs_test
