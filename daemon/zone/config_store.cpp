// SPDX-License-Identifier: Apache-2.0
#include "zone/config_store.hpp"

#include "base/errno_text.hpp"
#include "base/error_table.hpp"
#include "base/unique_fd.hpp"
#include "zone/check_files.hpp"
#include "zone/config_files.hpp"
#include "zone/json_document.hpp"
#include "zone/zone_file.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace hvisor::zone {
namespace {

namespace fs = std::filesystem;

// As other files below /etc; there is no secret in it.
constexpr mode_t file_mode = 0644;

constexpr off_t max_config_size = 1024L * 1024;

std::unexpected<Error> fail_errno(const fs::path& path) {
    const int error = errno;
    return fail(error_code_of_errno(error), "{}: {}", path.string(), errno_text(error));
}

bool is_below(const fs::path& path, std::string_view top) {
    return path.native().starts_with(top);
}

Result<fs::path> directory_for(std::span<const fs::path> directories, bool runtime) {
    const auto found =
        runtime
            ? std::ranges::find_if(directories, [](const fs::path& each) { return is_below(each, "/run/"); })
            : directories.begin();
    if (found == directories.end()) {
        return fail(ErrorCode::not_found, "no directory for zones is below /run; define the zone for good");
    }
    return *found;
}

/// The first problem of a text that a zone would be started with.
Result<void> check_text(const fs::path& path, const std::string& text) {
    const ConfigText config{path.string(), text}; // relative names in it count from there
    auto document = JsonDocument::parse(config);
    if (!document) {
        return std::unexpected(std::move(document).error());
    }
    if (form_of(*document) != Form::one_file) {
        return fail(ErrorCode::invalid_config,
                    "{}: there is no \"devices\", so this is not a whole zone in one file; hvisorctl config "
                    "import makes one",
                    config.name);
    }
    const auto problems = check_files({&config, 1}).findings.problems;
    if (problems.empty()) {
        return {};
    }
    std::string all;
    for (const std::string& problem : problems) {
        all += (all.empty() ? "" : "\n") + problem;
    }
    return fail(ErrorCode::invalid_config, "{}", all);
}

Result<void> write_all(int fd, std::string_view text, const fs::path& path) {
    while (!text.empty()) {
        const ssize_t count = ::write(fd, text.data(), text.size());
        if (count < 0 && errno != EINTR) {
            return fail_errno(path);
        }
        text.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
    }
    if (::fsync(fd) != 0 || ::fchmod(fd, file_mode) != 0) {
        return fail_errno(path);
    }
    return {};
}

/// What changed in a directory is on the disk.
Result<void> sync_directory(const fs::path& directory) {
    const UniqueFd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd || ::fsync(fd.get()) != 0) {
        return fail_errno(directory);
    }
    return {};
}

/// Under a name of its own first, which no zone has.
Result<void> write_file(const fs::path& path, const std::string& text, bool replace) {
    const fs::path made = path.parent_path() / ("." + path.filename().string() + ".new");
    const UniqueFd fd(::open(made.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, file_mode));
    if (!fd) {
        return fail_errno(made);
    }
    auto written = write_all(fd.get(), text, made);
    if (written &&
        ::renameat2(AT_FDCWD, made.c_str(), AT_FDCWD, path.c_str(), replace ? 0U : RENAME_NOREPLACE) != 0) {
        written = errno == EEXIST ? fail(ErrorCode::zone_exists,
                                         "{} is there already; replace it, or remove it first", path.string())
                                  : fail_errno(path);
    }
    if (!written) {
        static_cast<void>(::unlink(made.c_str()));
        return written;
    }
    return sync_directory(path.parent_path());
}

/// The directory that has the zone's file.
Result<fs::path> find_directory(std::span<const fs::path> directories, const std::string& name) {
    if (auto files = find_config(directories, name); !files) {
        return std::unexpected(std::move(files).error());
    }
    const auto found = std::ranges::find_if(directories, [&](const fs::path& directory) {
        std::error_code error;
        return fs::exists(directory / (name + ".json"), error);
    });
    return *found;
}

} // namespace

Result<std::string> read_config_file(int fd) {
    struct stat status{};
    if (::fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
        return fail(ErrorCode::invalid_config, "the configuration is not a file; expected a regular one");
    }
    if (status.st_size > max_config_size) {
        return fail(ErrorCode::invalid_config, "the configuration has {} bytes; expected at most {}",
                    status.st_size, max_config_size);
    }
    std::string text(static_cast<std::size_t>(status.st_size), '\0');
    const ssize_t count = ::pread(fd, text.data(), text.size(), 0);
    if (count < 0) {
        return fail_errno("the configuration");
    }
    text.resize(static_cast<std::size_t>(count));
    return text;
}

Result<fs::path> define_config(std::span<const fs::path> directories, const std::string& name,
                               const std::string& text, const StoreOptions& options) {
    auto known = find_config(directories, name);
    if (!known && (known.error().code != ErrorCode::no_such_zone || !is_config_name(name))) {
        return std::unexpected(std::move(known).error());
    }
    if (known && !options.replace) {
        return fail(ErrorCode::zone_exists, "{} is there already; replace it, or remove it first",
                    known->zone.name);
    }
    const auto directory = directory_for(directories, options.runtime);
    if (!directory) {
        return directory;
    }
    fs::path path = *directory / (name + ".json");
    if (auto sound = check_text(path, text); !sound) {
        return std::unexpected(std::move(sound).error());
    }
    std::error_code error;
    fs::create_directories(*directory, error);
    return write_file(path, text, options.replace).transform([&] { return std::move(path); });
}

Result<void> undefine_config(std::span<const fs::path> directories, const std::string& name) {
    const auto directory = find_directory(directories, name);
    if (!directory) {
        return std::unexpected(directory.error());
    }
    if (is_below(*directory, "/usr/")) {
        return fail(ErrorCode::wrong_state,
                    "{}/{}.json belongs to a package; a file of that name in {} takes its place",
                    directory->string(), name, directories.front().string());
    }
    for (const fs::path& each : directories) {
        std::error_code error;
        if (const fs::path drop_ins = each / (name + ".json.d"); fs::exists(drop_ins, error)) {
            return fail(ErrorCode::wrong_state, "zone {} has drop-ins in {}; remove them first", name,
                        drop_ins.string());
        }
    }
    for (const char* ending : {".virtio.json", ".json"}) {
        const fs::path path = *directory / (name + ending);
        if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
            return fail_errno(path);
        }
    }
    return sync_directory(*directory);
}

} // namespace hvisor::zone
