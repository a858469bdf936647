// SPDX-License-Identifier: Apache-2.0
#include "zone/config_files.hpp"

#include "base/errno_text.hpp"
#include "base/error_table.hpp"
#include "zone/problems.hpp"

#include <cerrno>
#include <fstream>
#include <iterator>
#include <map>
#include <system_error>
#include <utility>

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

/// A broken link is an error when it is read, not a file that is not there.
Result<std::vector<ConfigText>> read_drop_ins(std::span<const fs::path> directories,
                                              const std::string& name) {
    std::map<std::string, fs::path> paths;
    for (const fs::path& directory : directories) {
        std::error_code error;
        for (const fs::directory_entry& entry :
             fs::directory_iterator(directory / (name + ".json.d"), error)) {
            if (entry.path().extension() == ".json" && !entry.path().filename().native().starts_with('.')) {
                paths.try_emplace(entry.path().filename(), entry.path());
            }
        }
    }
    std::vector<ConfigText> drop_ins;
    for (const auto& [file, path] : paths) {
        auto text = read_text(path);
        if (!text) {
            return std::unexpected(std::move(text).error());
        }
        drop_ins.push_back(std::move(*text));
    }
    return drop_ins;
}

/// What a merged document no longer shows.
Result<void> check_source(const JsonDocument& document, bool is_drop_in) {
    Problems problems(document, Form::one_file);
    if (is_drop_in && document.root().kind != JsonValue::Kind::object) {
        problems.add("", "expected an object with the keys of a zone that are to change");
    }
    problems.check_keys();
    return problems.result();
}

} // namespace

bool is_config_name(const std::string& name) {
    // It comes from a caller of the bus.
    return !name.empty() && !name.starts_with('.') && !name.contains('/') && !name.contains('\0');
}

std::vector<fs::path> config_directories() {
    return {"/etc/hvisor/zones", "/run/hvisor/zones", "/usr/lib/hvisor/zones"};
}

Result<ConfigFiles> find_config(std::span<const fs::path> directories, const std::string& name) {
    if (!is_config_name(name)) {
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
        auto drop_ins = read_drop_ins(directories, name);
        if (!drop_ins) {
            return std::unexpected(std::move(drop_ins).error());
        }
        ConfigFiles files{std::move(*zone_text), {}, std::move(*drop_ins)};
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

Result<JsonDocument> merge_config(const ConfigFiles& files) {
    auto merged = JsonDocument::parse(files.zone);
    if (!merged || files.drop_ins.empty()) {
        return merged;
    }
    if (form_of(*merged) != Form::one_file) {
        return fail(ErrorCode::invalid_config,
                    "{}: drop-ins change zones of the one-file form only, and {} has no \"devices\"; convert "
                    "it with hvisorctl config import",
                    files.drop_ins.front().name, files.zone.name);
    }
    if (auto sound = check_source(*merged, false); !sound) {
        return std::unexpected(std::move(sound).error());
    }
    for (const ConfigText& text : files.drop_ins) {
        auto drop_in = JsonDocument::parse(text);
        if (!drop_in) {
            return drop_in;
        }
        if (auto sound = check_source(*drop_in, true); !sound) {
            return std::unexpected(std::move(sound).error());
        }
        merged->merge(std::move(*drop_in));
    }
    return merged;
}

} // namespace hvisor::zone
