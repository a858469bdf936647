// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/unique_fd.hpp"
#include "virgl_rig.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <poll.h>
#include <set>
#include <span>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <vector>

namespace hvisor::devices::gpu {

/// Has Mesa's virgl driver draw through a GPU device, in place of the kernel of a guest:
/// speaks to it what it speaks without a kernel (its "vtest" protocol, the first version,
/// which sends all over the socket), and to the device what Linux's driver would.
class Vtest {
  public:
    Vtest(Rig3d& rig, const std::filesystem::path& path)
        : rig_(rig), listener_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        ::sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.string().copy(address.sun_path, sizeof address.sun_path - 1);
        REQUIRE(::bind(listener_.get(), reinterpret_cast<const ::sockaddr*>(&address), sizeof address) == 0);
        REQUIRE(::listen(listener_.get(), 1) == 0);
    }

    /// Serve one program until it leaves.
    void serve() {
        ::pollfd wanted{.fd = listener_.get(), .events = POLLIN, .revents = 0};
        REQUIRE(::poll(&wanted, 1, 60'000) == 1);
        client_.reset(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        REQUIRE(client_);
        REQUIRE(rig_.ask(Rig3d::create_context(context)) == Response::ok_nodata);
        std::array<std::uint32_t, 2> header{};
        while (receive(std::as_writable_bytes(std::span(header)))) {
            serve_command(header[0], header[1]);
        }
    }

    [[nodiscard]] unsigned submitted() const { return submitted_; }
    [[nodiscard]] unsigned transferred() const { return transferred_; }

  private:
    enum class Order : std::uint32_t {
        get_caps = 1,
        resource_create,
        resource_unref,
        transfer_get,
        transfer_put,
        submit,
        busy_wait,
        create_renderer,
        get_caps2,
        ping,
    };

    void serve_command(std::uint32_t length, std::uint32_t id) {
        const auto order = static_cast<Order>(id);
        // Of the first command the length is in bytes, of the others in words.
        std::vector<std::uint32_t> words(
            order == Order::create_renderer || order == Order::transfer_put ? 0 : length);
        REQUIRE(receive(std::as_writable_bytes(std::span(words))));
        switch (order) {
        case Order::create_renderer:
            skip(length);
            break;
        case Order::ping: // one who doesn't know it is of the first version
            break;
        case Order::get_caps:
            send_capset(1);
            break;
        case Order::get_caps2:
            send_capset(2);
            break;
        case Order::busy_wait: // each command has been waited for
            send({1, id, 0});
            break;
        case Order::resource_create:
            create(words);
            break;
        case Order::resource_unref:
            rig_.expect_ok(Command::resource_unref, ResourceOnly{.resource_id = words.at(0), .padding = 0});
            break;
        case Order::submit:
            ++submitted_;
            CHECK(rig_.ask(Rig3d::submit(context, words, ++fence_)) == Response::ok_nodata);
            break;
        case Order::transfer_put:
        case Order::transfer_get:
            transfer(order, words);
            break;
        default:
            FAIL("vtest order " << id);
        }
    }

    void create(const std::vector<std::uint32_t>& words) {
        const ResourceCreate3d shape{.resource_id = words.at(0),
                                     .target = words.at(1),
                                     .format = words.at(2),
                                     .bind = words.at(3),
                                     .width = words.at(4),
                                     .height = words.at(5),
                                     .depth = words.at(6),
                                     .array_size = words.at(7),
                                     .last_level = words.at(8),
                                     .nr_samples = words.at(9),
                                     .flags = 0,
                                     .padding = 0};
        INFO("format " << shape.format << ", target " << shape.target << ", bind " << shape.bind);
        rig_.expect_ok(Command::resource_create_3d, shape);
        CHECK(rig_.ask(Rig3d::of_context(Command::ctx_attach_resource, context, {},
                                         ResourceOnly{.resource_id = shape.resource_id, .padding = 0})) ==
              Response::ok_nodata);
    }

    /// The bytes of a box of a resource, by way of the guest's memory.
    void transfer(Order order, std::vector<std::uint32_t>& words) {
        words.resize(11);
        if (order == Order::transfer_put) {
            REQUIRE(receive(std::as_writable_bytes(std::span(words))));
        }
        ++transferred_;
        const auto id = words[0];
        std::vector<std::byte> bytes(words[10]);
        REQUIRE(bytes.size() <= room);
        if (order == Order::transfer_put) {
            REQUIRE(receive(bytes));
            rig_.ram.write(at_, bytes);
        }
        rig_.attach(id, {{.addr = at_, .length = static_cast<std::uint32_t>(bytes.size()), .padding = 0}});
        const TransferHost3d box{.box = {.x = words[4],
                                         .y = words[5],
                                         .z = words[6],
                                         .width = words[7],
                                         .height = words[8],
                                         .depth = words[9]},
                                 .offset = 0,
                                 .resource_id = id,
                                 .level = words[1],
                                 .stride = words[2],
                                 .layer_stride = words[3]};
        const auto command =
            order == Order::transfer_put ? Command::transfer_to_host_3d : Command::transfer_from_host_3d;
        CHECK(rig_.ask(Rig3d::of_context(command, context, ++fence_, box)) == Response::ok_nodata);
        rig_.expect_ok(Command::resource_detach_backing, ResourceOnly{.resource_id = id, .padding = 0});
        if (order == Order::transfer_get) {
            send(rig_.ram.read(at_, bytes.size()));
        }
    }

    void send_capset(std::uint32_t id) {
        const auto info =
            rig_.command(Command::get_capset_info, GetCapsetInfo{.capset_index = id - 1, .padding = 0})
                .body<CapsetInfo>();
        REQUIRE(info.capset_id == id);
        const auto got =
            rig_.send(Rig3d::request(Command::get_capset,
                                     GetCapset{.capset_id = id, .capset_version = info.capset_max_version}),
                      4096);
        REQUIRE(got.type() == Response::ok_capset);
        send({info.capset_max_size + 1, id});
        send(std::span(got.bytes).subspan(sizeof(Header), info.capset_max_size));
    }

    /// False when the program has left.
    bool receive(std::span<std::byte> to) {
        while (!to.empty()) {
            const auto got = ::read(client_.get(), to.data(), to.size());
            if (got <= 0) {
                return false;
            }
            to = to.subspan(static_cast<std::size_t>(got));
        }
        return true;
    }
    void skip(std::size_t bytes) {
        std::vector<std::byte> ignored(bytes);
        REQUIRE(receive(ignored));
    }
    void send(std::span<const std::byte> bytes) {
        while (!bytes.empty()) {
            const auto sent = ::send(client_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
            REQUIRE(sent > 0);
            bytes = bytes.subspan(static_cast<std::size_t>(sent));
        }
    }
    void send(std::initializer_list<std::uint32_t> words) { send(std::as_bytes(std::span(words))); }

    static constexpr std::size_t room = std::size_t{4} << 20;

    Rig3d& rig_;
    UniqueFd listener_;
    UniqueFd client_;
    std::uint64_t at_ = rig_.ram.allocate(room, 4096);
    std::uint64_t fence_ = 0;
    unsigned submitted_ = 0;
    unsigned transferred_ = 0;
};

} // namespace hvisor::devices::gpu
