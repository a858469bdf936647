// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/unique_fd.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

namespace hvisor::devices::console {

/// The open files of a port that serve whoever uses it; -1 for what it has not got.
struct PortFiles {
    int master = -1; ///< of its pty
    int terminal = -1;
    int pipe = -1; ///< see TypedInput
};

/// What a process before this one has left open of a console.
struct Remains {
    struct Port {
        UniqueFd master;
        UniqueFd terminal;
        UniqueFd pipe;
    };
    struct Client {
        std::size_t port = 0;
        std::uint64_t client = 0; ///< by which the stream is known, above 0
        UniqueFd stream;
    };
    std::vector<Port> ports;
    std::vector<Client> clients;
};

/// Who keeps the streams of clients for a process after this one. Called on any thread but
/// the owner: it may wait.
struct ClientKeeper {
    std::function<void(std::size_t port, std::uint64_t client, int stream)> keep;
    std::function<void(std::size_t port, std::uint64_t client)> drop;
};

} // namespace hvisor::devices::console
