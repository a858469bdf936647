// SPDX-License-Identifier: Apache-2.0
#include "service/control_socket.hpp"

#include "base/errno_text.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <span>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

namespace hvisor::service {
namespace {

// A program that forgets to close must not use up the daemon's files.
constexpr std::size_t max_peers = 256;

// When a connection cannot be taken it stays in the backlog and would be
// reported again and again.
constexpr std::chrono::microseconds accept_window = std::chrono::seconds(1);
constexpr unsigned accepts_in_window = 1000;

} // namespace

ControlSocket::ControlSocket(MainLoop& loop, ListeningSocket socket, MakeObjects make_objects)
    : loop_(loop),
      socket_(std::move(socket)),
      make_objects_(std::move(make_objects)),
      group_(control_group()) {}

Result<std::unique_ptr<ControlSocket>> ControlSocket::create(MainLoop& loop, ListeningSocket socket,
                                                             MakeObjects make_objects) {
    std::unique_ptr<ControlSocket> created(
        new ControlSocket(loop, std::move(socket), std::move(make_objects)));
    const auto on_connection = [](sd_event_source*, int, std::uint32_t, void* self) {
        static_cast<ControlSocket*>(self)->accept();
        return 0;
    };
    sd_event_source* source = nullptr;
    int result =
        sd_event_add_io(loop.handle(), &source, created->socket_.fd(), EPOLLIN, on_connection, created.get());
    created->source_.reset(source);
    if (result >= 0) {
        result = sd_event_source_set_ratelimit(source, static_cast<std::uint64_t>(accept_window.count()),
                                               accepts_in_window);
    }
    if (result < 0) {
        return fail(ErrorCode::failed, "control socket: {}", errno_text(-result));
    }
    return created;
}

void ControlSocket::accept() {
    UniqueFd fd(::accept4(socket_.fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!fd) {
        if (errno != EAGAIN && errno != ECONNABORTED) {
            complaints_.warning("control socket: cannot take a connection: {}", errno_text());
        }
        return;
    }
    if (peers_.size() >= max_peers) {
        complaints_.warning("control socket: {} programs are connected, which is as many as there may be",
                            max_peers);
        return;
    }
    const Rank rank = rank_of(fd.get());
    if (rank == Rank::stranger) {
        return;
    }
    const auto make_objects = [this, rank](auto& connection) {
        return make_objects_(connection, rank == Rank::root);
    };
    auto peer = Peer::create(loop_, std::move(fd), make_objects, [this](const Peer* gone) {
        // Not from within one of its own callbacks.
        loop_.post([this, gone] { retire(gone); });
    });
    if (!peer) {
        complaints_.warning("{}", peer.error().message);
        return;
    }
    peers_.push_back(std::move(*peer));
}

ControlSocket::Rank ControlSocket::rank_of(int fd) {
    ucred peer{};
    socklen_t size = sizeof peer;
    if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
        return Rank::stranger;
    }
    if (peer.uid == 0 || peer.uid == ::geteuid()) {
        return Rank::root;
    }
    std::array<gid_t, 1024> groups{};
    size = sizeof groups;
    const bool has_groups = ::getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size) == 0;
    const std::span further(groups.data(), has_groups ? size / sizeof(gid_t) : 0);
    if (group_ && (peer.gid == *group_ || std::ranges::contains(further, *group_))) {
        return Rank::member;
    }
    complaints_.warning("control socket: process {} of user {} is neither root's nor of the group hvisor",
                        peer.pid, peer.uid);
    return Rank::stranger;
}

void ControlSocket::retire(const Peer* peer) {
    const auto found = std::ranges::find(peers_, peer, [](const auto& each) { return each.get(); });
    if (found == peers_.end()) {
        return;
    }
    left_.push_back(std::move(*found));
    peers_.erase(found);
    let_go();
}

void ControlSocket::let_go() {
    std::erase_if(left_, [](const auto& peer) { return !peer->must_stay(); });
}

void ControlSocket::update(const std::vector<zone::ZoneState>& zones) {
    for (const auto& peer : peers_) {
        peer->update(zones);
    }
    let_go();
}

} // namespace hvisor::service
