// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "image.hpp"
#include "machine.hpp"
#include "report.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hvisor::bench {

struct Options {
    std::vector<std::string> cases;
    std::string memory_folder = "/dev/shm";
    std::string disk_folder;
    std::string hvisord;   ///< the program, for memory and readiness
    std::string hvisorctl; ///< likewise
    double seconds = 1;
    unsigned runs = 3;
    std::uint64_t image_mib = 1024;
    std::string json;
};

/// What every case works with.
struct Bench {
    Options options;
    Cpus cpus;
    std::vector<Row> rows;
    std::optional<Image> memory_image = std::nullopt; ///< made when the first case wants it
    std::optional<Image> disk_image = std::nullopt;

    [[nodiscard]] const Image& in_memory();
    [[nodiscard]] const Image& on_disk();
};

struct Case {
    std::string_view name;
    std::string_view what;
    void (*run)(Bench& bench);
};

void registers_case(Bench& bench);
void depth1_case(Bench& bench);
void hogged_case(Bench& bench);
void depth32_case(Bench& bench);
void uncached_case(Bench& bench);
void sequential_case(Bench& bench);
void flush_case(Bench& bench);
void console_case(Bench& bench);
void net_case(Bench& bench);
void gpu_case(Bench& bench);
void idle_case(Bench& bench);
void process_case(Bench& bench);
void successor_case(Bench& bench);
void bus_case(Bench& bench);

} // namespace hvisor::bench
