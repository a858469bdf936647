// SPDX-License-Identifier: Apache-2.0
#include "vnc/display_server.hpp"

#include "base/errno_text.hpp"
#include "base/error.hpp"
#include "viewer/address.hpp"
#include "viewer/link.hpp"
#include "vnc/keyboard.hpp"
#include "vnc/session.hpp"

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <exception>
#include <fcntl.h>
#include <format>
#include <poll.h>
#include <print>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <variant>

namespace hvisor::vnc {
namespace {

constexpr int backlog = 16;
/// After a viewer could not be served, for lack of something.
constexpr std::chrono::milliseconds rest{200};

struct Order {
    viewer::Serve serve;
    UniqueFd socket;
};

Result<Order> receive_order(viewer::Link& hvisord) {
    pollfd wait{.fd = hvisord.fd(), .events = POLLIN, .revents = 0};
    static_cast<void>(::poll(&wait, 1, -1));
    auto received = hvisord.receive();
    auto* message = std::get_if<viewer::Received>(&received);
    const auto serve = message != nullptr ? message->as<viewer::Serve>() : std::nullopt;
    if (!serve || serve->version != viewer::protocol_version) {
        return fail(ErrorCode::incompatible,
                    "hvisord and hvisor-vnc are of different versions: restart hvisord once no zone runs");
    }
    return Order{.serve = *serve, .socket = message->take_file()};
}

Result<UniqueFd> listen_at(const std::string& text) {
    const auto address = viewer::parse_internet_address(text);
    if (!address) {
        return fail(ErrorCode::invalid_config, "{} is no address", text);
    }
    UniqueFd socket(::socket(address->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const int yes = 1;
    if (!socket || ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0 ||
        ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address->address), address->length) != 0 ||
        ::listen(socket.get(), backlog) != 0) {
        return fail(ErrorCode::io_error, "cannot listen there: {}", errno_text());
    }
    return socket;
}

/// One process for all viewers of a display.
class DisplayServer {
  public:
    DisplayServer(viewer::Link& hvisord, UniqueFd listener, Keyboard keyboard, const viewer::Serve& serve)
        : hvisord_(hvisord),
          listener_(std::move(listener)),
          keyboard_(std::move(keyboard)),
          name_(viewer::view_of(serve.name)),
          password_(viewer::view_of(serve.password)) {}

    /// Until hvisord goes, which says nothing more before.
    void run() {
        for (;;) {
            std::array waits{pollfd{.fd = hvisord_.fd(), .events = POLLIN, .revents = 0},
                             pollfd{.fd = listener_.get(), .events = POLLIN, .revents = 0}};
            static_cast<void>(::poll(waits.data(), waits.size(), -1));
            if (waits[0].revents != 0) {
                return;
            }
            if (waits[1].revents != 0 && !admit()) {
                std::this_thread::sleep_for(rest);
            }
        }
    }

  private:
    /// False for lack of descriptors, memory or processes.
    bool admit() {
        UniqueFd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (!client) {
            return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR || errno == ECONNABORTED;
        }
        std::array<int, 2> pair{-1, -1};
        if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair.data()) != 0) {
            return false;
        }
        UniqueFd theirs(pair[0]);
        UniqueFd ours(pair[1]);
        const auto child = ::fork();
        if (child == 0) {
            theirs.reset(); // or its end would not be one
            serve(std::move(client), std::move(ours));
        }
        // When there is no child the viewer of hvisord's goes at once.
        return hvisord_.send(viewer::Viewer{}, theirs.get()) == viewer::Sent::yes && child > 0;
    }

    [[noreturn]] void serve(UniqueFd client, UniqueFd ours) {
        int status = 0;
        try {
            listener_.reset();
            hvisord_ = viewer::Link(UniqueFd());
            run_session(std::move(client), viewer::Link(std::move(ours)),
                        {.name = name_, .password = password_, .keyboard = keyboard_});
        } catch (const std::exception& error) {
            std::println(stderr, "hvisor-vnc: {}: {}", name_, error.what());
            status = 1;
        }
        ::_exit(status);
    }

    viewer::Link& hvisord_;
    UniqueFd listener_;
    const Keyboard keyboard_;
    const std::string name_;
    const std::string password_;
};

Result<void> serve_until_gone(viewer::Link& hvisord) {
    auto order = receive_order(hvisord);
    if (!order) {
        return std::unexpected(std::move(order).error());
    }
    auto keyboard = Keyboard::create(std::string(viewer::view_of(order->serve.keymap)));
    if (!keyboard) {
        return std::unexpected(std::move(keyboard).error());
    }
    if (!order->socket) {
        auto listener = listen_at(std::string(viewer::view_of(order->serve.address)));
        if (!listener) {
            return std::unexpected(std::move(listener).error());
        }
        order->socket = std::move(*listener);
    }
    DisplayServer(hvisord, std::move(order->socket), std::move(*keyboard), order->serve).run();
    return {};
}

} // namespace

int serve_display(UniqueFd hvisord) {
    viewer::Link link(std::move(hvisord));
    if (const auto served = serve_until_gone(link); !served) {
        std::println(stderr, "hvisor-vnc: {}", served.error().message);
        static_cast<void>(link.send(viewer::Trouble{
            .text = viewer::text_of<decltype(viewer::Trouble::text)>(served.error().message)}));
        return 1;
    }
    return 0;
}

} // namespace hvisor::vnc
