// SPDX-License-Identifier: Apache-2.0
#include "service/inherited_files.hpp"

#include "base/log.hpp"

#include <systemd/sd-daemon.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <format>
#include <map>
#include <string>
#include <utility>

namespace hvisor::service {
namespace {

/// Ours among the files that a service manager passes; all others are its sockets.
constexpr std::string_view prefix = "keep.";

void keep(const std::string& name, int fd) {
    // Without FDPOLL=0 a terminal that nobody has open, for example, would not be kept.
    const auto state = std::format("FDSTORE=1\nFDPOLL=0\nFDNAME={}{}", prefix, name);
    if (const int result = sd_pid_notify_with_fds(0, 0, state.c_str(), &fd, 1); result < 0) {
        log::warning("the service manager does not keep {} for the next start: {}", name,
                     std::strerror(-result));
    }
}

void drop(const std::string& name) {
    sd_notify(0, std::format("FDSTOREREMOVE=1\nFDNAME={}{}", prefix, name).c_str());
}

void settle() {
    constexpr std::chrono::microseconds longest = std::chrono::seconds(5);
    if (const int result = sd_notify_barrier(0, longest.count()); result < 0) {
        log::warning("the service manager does not say that it has closed files: {}", std::strerror(-result));
    }
}

/// A service manager that keeps files says how many (systemd.exec(5), $FDSTORE).
bool keeps_files() {
    const char* most = std::getenv("FDSTORE");
    return most != nullptr && std::strtoul(most, nullptr, 10) != 0;
}

} // namespace

InheritedFiles InheritedFiles::take(std::vector<std::string> arguments) {
    InheritedFiles files;
    std::multimap<std::string, UniqueFd> kept;
    char** names = nullptr;
    const int count = sd_listen_fds_with_names(1, &names);
    for (int i = 0; i < count; ++i) {
        UniqueFd file(SD_LISTEN_FDS_START + i);
        ::fcntl(file.get(), F_SETFD, FD_CLOEXEC);
        const std::string_view name = names[i];
        if (name.starts_with(prefix)) {
            kept.emplace(name.substr(prefix.size()), std::move(file));
        } else if (!files.socket) {
            files.socket = std::move(file);
        }
        std::free(names[i]);
    }
    std::free(static_cast<void*>(names));
    if (keeps_files()) {
        files.store = std::make_unique<FdStore>(
            FdStore::Carrier{.keep = keep, .drop = drop, .settle = settle}, std::move(kept));
        return files;
    }
    files.successor = std::make_unique<OwnSuccessor>(std::move(arguments));
    auto* const own = files.successor.get();
    files.store = std::make_unique<FdStore>(
        FdStore::Carrier{.keep = [own](const std::string& name, int fd) { own->keep(name, fd); },
                         .drop = [own](const std::string& name) { own->drop(name); }},
        own->take_kept());
    return files;
}

} // namespace hvisor::service
