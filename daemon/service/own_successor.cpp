// SPDX-License-Identifier: Apache-2.0
#include "service/own_successor.hpp"

#include "base/errno_text.hpp"
#include "base/same_file.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <format>
#include <sstream>
#include <sys/mman.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace hvisor::service {
namespace {

/// The number of the file that lists the others, a line each, "NUMBER NAME"; before them the
/// number of the process, as a program that it starts finds the variable, too.
constexpr const char* variable = "HVISORD_KEPT_FILES";

std::string read_all(int fd) {
    std::string text;
    std::array<char, 4096> part{};
    ::lseek(fd, 0, SEEK_SET);
    for (ssize_t count = 0; (count = ::read(fd, part.data(), part.size())) > 0;) {
        text.append(part.data(), static_cast<std::size_t>(count));
    }
    return text;
}

void stay_open(int fd, bool stays) {
    ::fcntl(fd, F_SETFD, stays ? 0 : FD_CLOEXEC);
}

} // namespace

OwnSuccessor::OwnSuccessor(std::vector<std::string> arguments) : arguments_(std::move(arguments)) {
    std::error_code ignored;
    program_ = std::filesystem::read_symlink("/proc/self/exe", ignored);
}

std::multimap<std::string, UniqueFd> OwnSuccessor::take_kept() {
    std::multimap<std::string, UniqueFd> kept;
    // NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread
    const char* number = std::getenv(variable);
    if (number == nullptr) {
        return kept;
    }
    const int list = static_cast<int>(std::strtol(number, nullptr, 10));
    std::istringstream lines(read_all(list));
    // NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread
    ::unsetenv(variable);
    pid_t process = -1;
    if (!(lines >> process) || process != ::getpid()) {
        return kept;
    }
    ::close(list);
    int fd = -1;
    for (std::string name; lines >> fd >> name;) {
        stay_open(fd, false);
        keep(name, fd);
        kept.emplace(name, UniqueFd(fd));
    }
    return kept;
}

void OwnSuccessor::keep(const std::string& name, int fd) {
    const std::scoped_lock guard(lock_);
    const auto [first, last] = files_.equal_range(name);
    if (std::none_of(first, last, [fd](const auto& kept) { return is_same_file(kept.second.get(), fd); })) {
        files_.emplace(name, UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, 0)));
    }
}

void OwnSuccessor::drop(const std::string& name) {
    const std::scoped_lock guard(lock_);
    files_.erase(name);
}

std::string OwnSuccessor::obstacle() const {
    return ::access(program_.c_str(), X_OK) == 0 ? "" : std::format("{}: {}", program_, errno_text());
}

std::string OwnSuccessor::begin() {
    // Held until the end: what another thread keeps or drops from now on would be too late.
    const std::scoped_lock guard(lock_);
    const UniqueFd list(::memfd_create("hvisord-kept-files", 0));
    std::string text = std::format("{}\n", ::getpid());
    for (const auto& [name, fd] : files_) {
        text += std::format("{} {}\n", fd.get(), name);
    }
    if (!list || ::write(list.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
        return "cannot list the files to keep: " + errno_text();
    }
    for (const auto& [name, fd] : files_) {
        stay_open(fd.get(), true);
    }
    // NOLINTNEXTLINE(concurrency-mt-unsafe): no other thread reads the environment any more
    ::setenv(variable, std::to_string(list.get()).c_str(), 1);
    std::vector<char*> arguments;
    arguments.reserve(arguments_.size() + 1);
    for (auto& argument : arguments_) {
        arguments.push_back(argument.data());
    }
    arguments.push_back(nullptr);
    ::execv(program_.c_str(), arguments.data());
    return std::format("{}: {}", program_, errno_text());
}

} // namespace hvisor::service
