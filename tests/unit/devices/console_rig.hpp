// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "devices/console/config.hpp"
#include "devices/console/device.hpp"
#include "kit/device_rig.hpp"
#include "kit/wait.hpp"

#include <algorithm>
#include <array>
#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <fcntl.h>
#include <map>
#include <optional>
#include <poll.h>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

namespace hvisor::devices::console {

/// Whatever comes within `timeout` after the last byte, up to `limit` bytes.
inline std::string read_for(int fd, std::chrono::milliseconds timeout, std::size_t limit = SIZE_MAX) {
    std::string text;
    pollfd poll_fd{.fd = fd, .events = POLLIN, .revents = 0};
    while (text.size() < limit && ::poll(&poll_fd, 1, static_cast<int>(timeout.count())) == 1) {
        std::array<char, 65536> buffer{};
        const auto count = ::read(fd, buffer.data(), std::min(buffer.size(), limit - text.size()));
        if (count <= 0) {
            break;
        }
        text.append(buffer.data(), static_cast<std::size_t>(count));
    }
    return text;
}

/// Exactly `size` bytes, however long they take.
inline std::string read_exactly(int fd, std::size_t size) {
    return read_for(fd, kit::patience, size);
}

inline bool at_end(int fd) {
    pollfd poll_fd{.fd = fd, .events = POLLIN, .revents = 0};
    char byte = 0;
    return ::poll(&poll_fd, 1, 5000) == 1 && ::read(fd, &byte, 1) == 0;
}

/// Keeps clients' streams for a process after this one, by port and client.
struct StreamStore {
    std::map<std::pair<std::size_t, std::uint64_t>, UniqueFd> kept{};

    ClientKeeper keeper() {
        return {
            .keep = [this](std::size_t port, std::uint64_t client,
                           int stream) { kept.emplace(std::pair(port, client), UniqueFd(::dup(stream))); },
            .drop = [this](std::size_t port, std::uint64_t client) { kept.erase({port, client}); }};
    }
};

/// A Linux console's driver: prints, and gives buffers for input.
struct ConsoleRig : StreamStore, kit::DeviceRig<ConsoleDevice> {
    explicit ConsoleRig(virtio::FeatureSet wanted = {virtio::FeatureBit::version_1}, bool is_logged = false)
        : DeviceRig(std::vector<PortOptions>{}, is_logged, Remains{}, keeper()) {
        start(wanted);
    }
    void start(virtio::FeatureSet wanted = {virtio::FeatureBit::version_1}) {
        bring_up({&receive, &transmit}, wanted);
    }
    explicit ConsoleRig(bool is_logged) : ConsoleRig({virtio::FeatureBit::version_1}, is_logged) {}

    void print(std::string_view text) {
        while (!text.empty()) {
            const auto part = text.substr(0, 4096);
            // Many prints fit because the memory of one is used again for the next.
            ram.write(print_buffer, std::as_bytes(std::span(part)));
            kit::ChainBuilder(transmit).at(print_buffer, static_cast<std::uint32_t>(part.size()), 0).add();
            if (transmit.needs_kick()) {
                driver.kick(transmit_queue);
            }
            REQUIRE(kit::eventually([&] { return transmit.take_used().has_value(); }));
            text.remove_prefix(part.size());
        }
    }
    kit::ChainBuilder give_buffer(std::uint32_t size = 64) {
        kit::ChainBuilder buffer(receive);
        buffer.writable(size);
        buffer.add();
        driver.kick(receive_queue);
        return buffer;
    }
    std::string receive_into(const kit::ChainBuilder& buffer) {
        std::optional<kit::SplitQueue::Used> used;
        REQUIRE(kit::eventually([&] { return (used = receive.take_used()).has_value(); }));
        return kit::to_text(buffer.written(0)).substr(0, used->length);
    }
    UniqueFd attach(const AttachOptions& options = {}) {
        auto fd = device.attach("", options);
        REQUIRE(fd);
        return std::move(*fd);
    }
    /// A reader who does not type.
    UniqueFd watch(std::size_t replay = SIZE_MAX) { return attach({.replay = replay, .read_only = true}); }
    [[nodiscard]] UniqueFd open_pty() const {
        return UniqueFd(::open(device.backend_name().c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC));
    }

    kit::SplitQueue receive{ram, 16};
    kit::SplitQueue transmit{ram, 16};
    std::uint64_t print_buffer = ram.allocate(4096);
};

inline void type(const UniqueFd& fd, std::string_view text) {
    REQUIRE(::write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
}

} // namespace hvisor::devices::console
