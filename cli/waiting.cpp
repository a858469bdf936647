// SPDX-License-Identifier: Apache-2.0
#include "waiting.hpp"

#include "listener.hpp"

#include <CLI/CLI.hpp>

namespace hvisor::cli {

void add_timeout(CLI::App& verb, Patience& patience) {
    verb.add_option_function<double>(
            "--timeout", [&patience](double seconds) { patience = std::chrono::duration<double>(seconds); },
            "Give up after this many seconds")
        ->type_name("SECONDS")
        ->check(CLI::NonNegativeNumber);
}

Outcome<void> wait_until(const Client& client, const sdbus::ObjectPath& path, Patience patience,
                         const std::function<Outcome<bool>()>& is_over) {
    // On a connection of its own, because `is_over` asks on the client's.
    Client own(client.address());
    Listener listener;
    if (patience) {
        listener.give_up_after(*patience);
    }
    const auto look = [&] {
        if (listener.is_finished()) {
            return;
        }
        const auto over = is_over();
        if (!over) {
            listener.finish(std::unexpected(over.error()));
        } else if (*over) {
            listener.finish({});
        }
    };
    try {
        return listener.run(
            own.connection(), path,
            {.signal = [&](sdbus::Message&) { look(); },
             .attended = [&](bool) { look(); },
             .disconnected =
                 [&] { listener.finish(fail(exit_unreachable, "the connection to hvisord has ended")); }},
            look);
    } catch (const sdbus::Error& error) {
        return fail(error); // of the connection
    }
}

} // namespace hvisor::cli
