// SPDX-License-Identifier: Apache-2.0
#include "hypervisor/remote_machine.hpp"

#include "base/errno_text.hpp"
#include "base/unix_address.hpp"

#include <array>
#include <chrono>
#include <cstring>
#include <new>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <utility>
#include <variant>

namespace hvisor::hypervisor {
namespace {

using namespace machine_link;

/// Longer than a zone takes to shut down.
constexpr std::chrono::milliseconds answer_time{10'000};

Result<Packet> wait_for_packet(const UniqueFd& socket, std::span<std::byte> room) {
    for (;;) {
        auto received = receive_packet(socket.get(), room);
        if (auto* packet = std::get_if<Packet>(&received)) {
            return std::move(*packet);
        }
        pollfd wait{.fd = socket.get(), .events = POLLIN, .revents = 0};
        if (std::holds_alternative<Gone>(received) || ::poll(&wait, 1, answer_time.count()) <= 0) {
            return fail(ErrorCode::no_hypervisor, "the simulated machine does not answer");
        }
    }
}

template <class Body>
Result<Body> read_body(std::span<const std::byte> bytes) {
    if (bytes.size() < sizeof(Body)) {
        return fail(ErrorCode::incompatible, "the simulated machine speaks another language");
    }
    Body body;
    std::memcpy(&body, bytes.data(), sizeof body);
    return body;
}

} // namespace

Result<std::unique_ptr<Hypervisor>> RemoteMachine::connect(const std::string& path) {
    const auto address = unix_address(path);
    if (!address) {
        return std::unexpected(address.error());
    }
    UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    if (!socket ||
        ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0) {
        return fail(ErrorCode::no_hypervisor, "{}: {}", path, errno_text());
    }
    std::array<std::byte, sizeof(Machine)> room{};
    const auto first = wait_for_packet(socket, room);
    if (!first) {
        return std::unexpected(first.error());
    }
    const auto machine = read_body<Machine>(first->bytes);
    if (!machine) {
        return std::unexpected(machine.error());
    }
    std::array<UniqueFd, static_cast<std::size_t>(File::count)> files;
    for (auto& file : files) {
        auto packet = wait_for_packet(socket, room);
        if (!packet) {
            return std::unexpected(packet.error());
        }
        file = std::move(packet->file);
    }
    const auto file = [&files](File which) -> UniqueFd& { return files.at(std::to_underlying(which)); };
    auto page = Mapping::map_shared(file(File::page).get(), 0, bridge_page_size, "the simulated bridge");
    if (!page) {
        return std::unexpected(std::move(page).error());
    }
    return std::unique_ptr<Hypervisor>(new RemoteMachine(std::move(socket), *machine,
                                                         {.page = std::move(*page),
                                                          .ram = std::move(file(File::ram)),
                                                          .wakeup = std::move(file(File::wakeup)),
                                                          .results = std::move(file(File::results))}));
}

RemoteMachine::RemoteMachine(UniqueFd socket, const Machine& machine, Files files)
    : machine_(machine),
      page_memory_(std::move(files.page)),
      page_(*std::launder(reinterpret_cast<BridgePage*>(page_memory_.data()))),
      ram_(std::move(files.ram), machine.ram_address, machine.ram_size),
      wakeup_(std::move(files.wakeup)),
      results_(std::move(files.results)),
      socket_(std::move(socket)),
      room_(max_packet) {}

Result<std::span<const std::byte>> RemoteMachine::call(const Call& call, std::span<const std::byte> more) {
    // sendmsg(2) only reads them.
    const std::array parts{iovec{.iov_base = const_cast<Call*>(&call), .iov_len = sizeof call},
                           iovec{.iov_base = const_cast<std::byte*>(more.data()), .iov_len = more.size()}};
    if (send_packet(socket_.get(), parts, -1) != Sent::yes) {
        return fail(ErrorCode::no_hypervisor, "the simulated machine is gone");
    }
    const auto packet = wait_for_packet(socket_, room_);
    if (!packet) {
        return std::unexpected(packet.error());
    }
    const auto answer = read_body<Answer>(packet->bytes);
    if (!answer) {
        return std::unexpected(answer.error());
    }
    const auto rest = packet->bytes.subspan(sizeof(Answer));
    if (answer->has_failed != 0) {
        return fail(static_cast<ErrorCode>(answer->code), "{}",
                    std::string(reinterpret_cast<const char*>(rest.data()), rest.size()));
    }
    return rest;
}

Result<std::vector<ZoneInfo>> RemoteMachine::list_zones() {
    const std::scoped_lock guard(lock_);
    const auto bytes = call({.function = Function::list_zones});
    if (!bytes) {
        return std::unexpected(bytes.error());
    }
    std::vector<ZoneInfo> zones;
    for (auto rest = *bytes; rest.size() >= sizeof(ZoneEntry); rest = rest.subspan(sizeof(ZoneEntry))) {
        const auto entry = read_body<ZoneEntry>(rest).value();
        zones.push_back({.id = entry.id,
                         .cpus = entry.cpus,
                         .name = {entry.name.data(), ::strnlen(entry.name.data(), entry.name.size())},
                         .has_error = entry.has_error != 0});
    }
    return zones;
}

Result<void> RemoteMachine::start_zone(std::span<const std::byte> config) {
    const std::scoped_lock guard(lock_);
    return call({.function = Function::start_zone}, config).transform([](auto) {});
}

Result<void> RemoteMachine::shutdown_zone(std::uint32_t id) {
    const std::scoped_lock guard(lock_);
    return call({.function = Function::shutdown_zone, .zone = id}).transform([](auto) {});
}

void RemoteMachine::finish_requests() {
    ::eventfd_write(results_.get(), 1);
}

} // namespace hvisor::hypervisor
