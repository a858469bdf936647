// SPDX-License-Identifier: Apache-2.0
#include "input.hpp"
#include "zone/check_zone.hpp"
#include "zone/zone_file.hpp"

#include <string>

// A file that an administrator may have got from anywhere: it is read, or
// refused with a message that names it.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace hvisor;
    const std::string text(reinterpret_cast<const char*>(data), size);
    const auto file = zone::read_zone_file({.name = "zone.json", .text = text});
    if (!file) {
        fuzz::expect(file.error().message.starts_with("zone.json"), "a message names its file");
        return 0;
    }
    static_cast<void>(zone::check_zone(*file));
    static_cast<void>(file->config.cpu_mask());
    return 0;
}
