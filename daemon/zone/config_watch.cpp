// SPDX-License-Identifier: Apache-2.0
#include "zone/config_watch.hpp"

#include "base/errno_text.hpp"
#include "base/log.hpp"

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <sys/inotify.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace hvisor::zone {
namespace {

namespace fs = std::filesystem;

/// What changes the files in a folder, or the folder itself.
constexpr std::uint32_t folder_events = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_CLOSE_WRITE |
                                        IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;

/// What changes a file that a link leads to, or puts another one in its place.
constexpr std::uint32_t file_events = IN_CLOSE_WRITE | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF;

constexpr const char* kept_name = "inotify";

} // namespace

ConfigWatch::ConfigWatch(std::vector<fs::path> directories, FdStore& store)
    : directories_(std::move(directories)), inotify_(store.take(kept_name)) {
    if (!inotify_) {
        inotify_.reset(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
        store.keep(kept_name, inotify_.get());
    }
    if (!inotify_) {
        log::warning("zones that are configured from now on are listed after a restart of hvisord only: "
                     "inotify: {}",
                     errno_text(errno));
        return;
    }
    renew();
}

bool ConfigWatch::renew() {
    if (!inotify_) {
        return false;
    }
    const bool concerns_us = drain();
    Watches watches;
    for (const fs::path& directory : directories_) {
        watch(directory, watches);
    }
    for (const auto& [old, folder] : watches_) {
        if (!watches.contains(old)) {
            ::inotify_rm_watch(inotify_.get(), old); // fails where its folder has gone, and it with it
        }
    }
    watches_ = std::move(watches);
    return concerns_us;
}

/// Read all events; whether one is of a watch that still counts.
bool ConfigWatch::drain() const {
    bool concerns_us = false;
    alignas(inotify_event) std::array<char, 16384> buffer{};
    for (;;) {
        const ssize_t count = ::read(inotify_.get(), buffer.data(), buffer.size());
        if (count <= 0) {
            return concerns_us;
        }
        for (std::size_t at = 0; at + sizeof(inotify_event) <= static_cast<std::size_t>(count);) {
            inotify_event event{};
            std::memcpy(&event, buffer.data() + at, sizeof event);
            // The kernel fills the name up with zeros.
            const char* name = event.len == 0 ? "" : buffer.data() + at + sizeof event;
            const auto watch = watches_.find(event.wd);
            const bool is_folder_itself = (event.mask & (IN_DELETE_SELF | IN_MOVE_SELF)) != 0;
            concerns_us |= (event.mask & IN_Q_OVERFLOW) != 0 ||
                           (watch != watches_.end() && (watch->second.is_whole || is_folder_itself ||
                                                        watch->second.names.contains(name)));
            at += sizeof event + event.len;
        }
    }
}

/// Watch the directory, or as long as it is not there the nearest one above it for its name.
void ConfigWatch::watch(const fs::path& directory, Watches& watches) const {
    const fs::path whole = fs::absolute(directory);
    // What is missing may come before the folder above it is watched; then once more from the bottom.
    for (int attempt = 0; attempt < 3; ++attempt) {
        std::string name;
        int watch = -1;
        fs::path folder = whole;
        while ((watch = ::inotify_add_watch(inotify_.get(), folder.c_str(), folder_events)) < 0 &&
               folder.has_relative_path()) {
            name = folder.filename();
            folder = folder.parent_path();
        }
        if (watch < 0) {
            return;
        }
        if (name.empty()) {
            watches[watch].is_whole = true;
            watch_content(folder, watches);
            return;
        }
        watches[watch].names.insert(name);
        std::error_code ignored;
        if (!fs::exists(folder / name, ignored)) {
            return;
        }
    }
}

/// The drop-ins of its zones, and the files its links lead to.
void ConfigWatch::watch_content(const fs::path& directory, Watches& watches) const {
    std::error_code error;
    for (fs::directory_iterator entry(directory, error), end; !error && entry != end;
         entry.increment(error)) {
        const fs::path& path = entry->path();
        std::error_code ignored;
        const bool is_drop_ins = path.native().ends_with(".json.d");
        if (!is_drop_ins && !(path.extension() == ".json" && entry->is_symlink(ignored))) {
            continue;
        }
        const int watch =
            ::inotify_add_watch(inotify_.get(), path.c_str(), is_drop_ins ? folder_events : file_events);
        if (watch >= 0) {
            watches[watch].is_whole = true;
        }
    }
}

} // namespace hvisor::zone
