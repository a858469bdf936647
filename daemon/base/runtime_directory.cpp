// SPDX-License-Identifier: Apache-2.0
#include "base/runtime_directory.hpp"

#include <cstdlib>
#include <string_view>

namespace hvisor {
namespace {

std::filesystem::path ask() {
    const char* set = std::getenv("RUNTIME_DIRECTORY"); // NOLINT(concurrency-mt-unsafe): nobody sets one
    // With several, systemd puts colons between them.
    const std::string_view first = set != nullptr
                                       ? std::string_view(set).substr(0, std::string_view(set).find(':'))
                                       : std::string_view();
    return first.empty() ? std::filesystem::path("/run/hvisor") : std::filesystem::path(first);
}

} // namespace

const std::filesystem::path& runtime_directory() {
    static const std::filesystem::path directory = ask();
    return directory;
}

} // namespace hvisor
