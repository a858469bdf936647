// SPDX-License-Identifier: Apache-2.0
#include "base/log.hpp"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <sys/stat.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>
#include <unistd.h>
#include <vector>

namespace hvisor::log {
namespace {

/// systemd names the device and inode of the stream it gave us, so that a
/// redirected standard error is told from the journal (systemd.exec(5)).
Target find_target() {
    struct stat status{};
    if (const char* stream = std::getenv("JOURNAL_STREAM");
        stream != nullptr && ::fstat(STDERR_FILENO, &status) == 0) {
        if (std::format("{}:{}", status.st_dev, status.st_ino) == stream) {
            return Target::journal;
        }
    }
    return Target::console;
}

std::atomic<Target>& current_target() {
    static std::atomic<Target> target = find_target();
    return target;
}

/// A service manager reads the importance from the front of a line (sd-daemon(3)).
bool is_read_by_manager() {
    static const bool is = std::getenv("INVOCATION_ID") != nullptr && ::isatty(STDERR_FILENO) == 0;
    return is;
}

std::atomic<Level> current_level{Level::info};

void to_journal(Level level, const Fields& fields, std::string_view message) {
    std::vector<std::string> lines;
    lines.push_back(std::format("MESSAGE={}", message));
    lines.push_back(std::format("PRIORITY={}", static_cast<int>(level)));
    if (!fields.zone.empty()) {
        lines.push_back(std::format("HVISOR_ZONE={}", fields.zone));
    }
    if (!fields.device.empty()) {
        lines.push_back(std::format("HVISOR_DEVICE={}", fields.device));
    }
    if (const auto id = message_id(fields.event); !id.empty()) {
        lines.push_back(std::format("MESSAGE_ID={}", id));
    }
    std::vector<iovec> parts;
    parts.reserve(lines.size());
    for (auto& line : lines) {
        parts.push_back({.iov_base = line.data(), .iov_len = line.size()});
    }
    sd_journal_sendv(parts.data(), static_cast<int>(parts.size()));
}

std::string where(const Fields& fields) {
    std::string text;
    if (!fields.zone.empty()) {
        text += std::format("zone {}: ", fields.zone);
    }
    if (!fields.device.empty()) {
        text += std::format("{}: ", fields.device);
    }
    return text;
}

} // namespace

void set_level(Level level) {
    current_level.store(level, std::memory_order_relaxed);
}

Level level() {
    return current_level.load(std::memory_order_relaxed);
}

void set_target(Target target) {
    current_target().store(target, std::memory_order_relaxed);
}

Target target() {
    return current_target().load(std::memory_order_relaxed);
}

bool has_journal() {
    return ::access("/run/systemd/journal/socket", W_OK) == 0;
}

void write(Level level, const Fields& fields, std::string_view message) {
    if (level > log::level()) {
        return;
    }
    // People read the zone and device in the text, programs in the fields.
    const std::string text = where(fields) + std::string(message);
    if (target() == Target::journal) {
        to_journal(level, fields, text);
        return;
    }
    const std::string prefix =
        is_read_by_manager() ? std::format("<{}>", static_cast<int>(level)) : std::string();
    // One write a line, so that lines of several threads do not mix.
    const std::string line = prefix + text + "\n";
    std::fwrite(line.data(), 1, line.size(), stderr);
}

} // namespace hvisor::log
