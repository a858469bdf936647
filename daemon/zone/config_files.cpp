// SPDX-License-Identifier: Apache-2.0
#include "zone/config_files.hpp"

#include "base/errno_text.hpp"
#include "base/error_table.hpp"

#include <cerrno>
#include <fstream>
#include <iterator>
#include <system_error>

namespace hvisor::zone {
namespace {

namespace fs = std::filesystem;

Result<ConfigText> read_text(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    std::string text{std::istreambuf_iterator<char>(file), {}};
    if (!file.good() && !file.eof()) {
        const int error = errno;
        return fail(error_code_of_errno(error), "{}: {}", path.string(), errno_text(error));
    }
    return ConfigText{path.string(), std::move(text)};
}

std::string describe(std::span<const fs::path> directories) {
    std::string text;
    for (const fs::path& directory : directories) {
        text += (text.empty() ? "" : ", ") + directory.string();
    }
    return text;
}

} // namespace

Result<ConfigFiles> find_config(std::span<const fs::path> directories, const std::string& name) {
    // The name comes from a caller of the bus; it must not lead out of the directories.
    if (name.empty() || name.starts_with('.') || name.contains('/') || name.contains('\0')) {
        return fail(ErrorCode::no_such_zone,
                    R"("{}" is no name of a configured zone; expected NAME of a file NAME.json)", name);
    }
    for (const fs::path& directory : directories) {
        const fs::path zone = directory / (name + ".json");
        const fs::path virtio = directory / (name + ".virtio.json");
        std::error_code error;
        if (!fs::exists(zone, error)) {
            continue;
        }
        auto zone_text = read_text(zone);
        if (!zone_text) {
            return std::unexpected(std::move(zone_text).error());
        }
        ConfigFiles files{std::move(*zone_text), {}};
        if (fs::exists(virtio, error)) {
            auto virtio_text = read_text(virtio);
            if (!virtio_text) {
                return std::unexpected(std::move(virtio_text).error());
            }
            files.virtio = std::move(*virtio_text);
        }
        return files;
    }
    return fail(ErrorCode::no_such_zone, "there is no {}.json in {}", name, describe(directories));
}

} // namespace hvisor::zone
