// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/packet.hpp"
#include "base/unique_fd.hpp"
#include "base/unix_address.hpp"
#include "hypervisor/machine_link.hpp"
#include "hypervisor/simulated.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <poll.h>
#include <stdexcept>
#include <string>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <variant>
#include <vector>

namespace hvisor::kit {

/// The machine behind `hvisord --simulated --device=PATH`: its zones go on when the daemon
/// ends, and wait for the next one.
class MachineServer {
  public:
    /// Listens at the path.
    MachineServer(hypervisor::Simulated& machine, const std::string& path) : machine_(machine) {
        const auto address = unix_address(path).value();
        if (::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
            ::listen(listener_.get(), SOMAXCONN) != 0) {
            throw std::runtime_error("cannot listen at " + path);
        }
        thread_ = std::jthread([this](const std::stop_token& stopped) { serve(stopped); });
    }
    MachineServer(const MachineServer&) = delete;
    MachineServer& operator=(const MachineServer&) = delete;
    MachineServer(MachineServer&&) = delete;
    MachineServer& operator=(MachineServer&&) = delete;
    ~MachineServer() = default;

  private:
    using File = hypervisor::machine_link::File;
    using Function = hypervisor::machine_link::Function;

    void serve(const std::stop_token& stopped) {
        std::vector<std::byte> room(hypervisor::machine_link::max_packet);
        while (!stopped.stop_requested()) {
            std::array<pollfd, 3> events{{{.fd = results_.get(), .events = POLLIN, .revents = 0},
                                          {.fd = listener_.get(), .events = POLLIN, .revents = 0},
                                          {.fd = client_.get(), .events = POLLIN, .revents = 0}}};
            ::poll(events.data(), events.size(), 100);
            if (events[0].revents != 0) {
                eventfd_t count = 0;
                ::eventfd_read(results_.get(), &count);
                machine_.finish_requests();
            }
            if (events[1].revents != 0) {
                client_.reset(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
                introduce();
            } else if (events[2].revents != 0) {
                take_call(room);
            }
        }
    }

    void introduce() const {
        const auto& options = machine_.options();
        send(hypervisor::machine_link::Machine{.magic = options.magic,
                                               .ram_address = options.ram_address,
                                               .ram_size = options.ram_size},
             {}, -1);
        const auto files = machine_.files();
        for (const auto& [which, fd] : {std::pair{File::page, files.page},
                                        {File::ram, files.ram},
                                        {File::wakeup, files.wakeup},
                                        {File::results, results_.get()}}) {
            send(which, {}, fd);
        }
    }

    void take_call(std::span<std::byte> room) {
        auto received = receive_packet(client_.get(), room);
        const auto* packet = std::get_if<Packet>(&received);
        hypervisor::machine_link::Call call;
        if (packet == nullptr || packet->bytes.size() < sizeof call) {
            client_.reset(); // its process has ended
            return;
        }
        std::memcpy(&call, packet->bytes.data(), sizeof call);
        switch (call.function) {
        case Function::list_zones:
            answer(machine_.list_zones());
            return;
        case Function::start_zone:
            answer(machine_.start_zone(packet->bytes.subspan(sizeof call)));
            return;
        case Function::shutdown_zone:
            answer(machine_.shutdown_zone(call.zone));
            return;
        }
    }

    void answer(const Result<void>& result) const {
        result ? send(hypervisor::machine_link::Answer{}, {}, -1) : refuse(result.error());
    }
    void answer(const Result<std::vector<hypervisor::ZoneInfo>>& zones) const {
        if (!zones) {
            refuse(zones.error());
            return;
        }
        std::vector<hypervisor::machine_link::ZoneEntry> entries;
        for (const auto& zone : *zones) {
            auto& entry = entries.emplace_back();
            entry.id = zone.id;
            entry.has_error = zone.has_error ? 1 : 0;
            entry.cpus = zone.cpus;
            zone.name.copy(entry.name.data(), entry.name.size());
        }
        send(hypervisor::machine_link::Answer{}, std::as_bytes(std::span(entries)), -1);
    }
    void refuse(const Error& error) const {
        send(
            hypervisor::machine_link::Answer{.has_failed = 1, .code = static_cast<std::uint32_t>(error.code)},
            std::as_bytes(std::span(error.message)), -1);
    }

    void send(const auto& head, std::span<const std::byte> more, int file) const {
        // sendmsg(2) only reads them.
        const std::array parts{
            iovec{.iov_base = const_cast<void*>(static_cast<const void*>(&head)), .iov_len = sizeof head},
            iovec{.iov_base = const_cast<std::byte*>(more.data()), .iov_len = more.size()}};
        static_cast<void>(send_packet(client_.get(), parts, file));
    }

    hypervisor::Simulated& machine_;
    UniqueFd results_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    UniqueFd listener_{::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)};
    UniqueFd client_;
    std::jthread thread_;
};

} // namespace hvisor::kit
