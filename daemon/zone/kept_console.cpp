// SPDX-License-Identifier: Apache-2.0
#include "zone/kept_console.hpp"

#include <charconv>
#include <cstdint>
#include <format>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace hvisor::zone {

using devices::console::ClientKeeper;
using devices::console::PortFiles;
using devices::console::Remains;

namespace {

constexpr const char* kept_master = "pty";
constexpr const char* kept_terminal = "tty";
constexpr const char* kept_pipe = "pipe";
constexpr const char* kept_client = "client";

std::string of_port(const char* what, std::size_t port) {
    return std::format("{}.{}", what, port);
}

std::string client_name(std::size_t port, std::uint64_t client) {
    return std::format("{}.{}.{}", kept_client, port, client);
}

/// "PORT.CLIENT"; the client is 0 when it is anything else.
Remains::Client read_client(std::string_view text) {
    Remains::Client read;
    const auto* end = text.data() + text.size();
    const auto port = std::from_chars(text.data(), end, read.port);
    if (port.ec == std::errc() && port.ptr != end && *port.ptr == '.') {
        std::from_chars(port.ptr + 1, end, read.client);
    }
    return read;
}

} // namespace

Remains take_console(KeptFiles& files, std::size_t ports) {
    Remains remains;
    for (std::size_t i = 0; i < ports; ++i) {
        remains.ports.push_back({.master = files.take(of_port(kept_master, i)),
                                 .terminal = files.take(of_port(kept_terminal, i)),
                                 .pipe = files.take(of_port(kept_pipe, i))});
    }
    while (auto kept = files.take_one_of(kept_client)) {
        auto client = read_client(kept->rest);
        client.stream = std::move(kept->file);
        if (client.client != 0 && client.port < ports) {
            remains.clients.push_back(std::move(client));
        } else {
            files.drop(std::format("{}.{}", kept_client, kept->rest));
        }
    }
    return remains;
}

void keep_ports(KeptFiles& files, const std::vector<PortFiles>& ports) {
    const auto keep = [&files](const std::string& what, int file) {
        if (file >= 0 && !files.has(what)) {
            files.keep(what, file);
        }
    };
    for (std::size_t i = 0; i < ports.size(); ++i) {
        keep(of_port(kept_master, i), ports[i].master);
        keep(of_port(kept_terminal, i), ports[i].terminal);
        keep(of_port(kept_pipe, i), ports[i].pipe);
    }
}

ClientKeeper keep_clients(KeptFiles& files) {
    return {
        .keep = [&files](std::size_t port, std::uint64_t client,
                         int stream) { files.keep(client_name(port, client), stream); },
        .drop = [&files](std::size_t port, std::uint64_t client) { files.drop(client_name(port, client)); }};
}

} // namespace hvisor::zone
