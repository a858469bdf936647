// SPDX-License-Identifier: Apache-2.0
#include "devices/net/backend_tap.hpp"

#include "base/errno_text.hpp"
#include "devices/net/config.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <optional>
#include <sys/ioctl.h>

// In Linux since 6.2; the headers of older systems lack them.
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

namespace hvisor::devices::net {
namespace {

/// What of one guest may be on its way through the host: a full queue of
/// ordinary frames, some dozens of large segments. Beyond that the guest waits.
constexpr int send_buffer = 4 << 20;

std::unexpected<TapFault> fault(std::string_view key, ErrorCode code, std::string message) {
    return std::unexpected(TapFault{key, {code, std::move(message)}});
}

bool is_permission(int error) {
    return error == EPERM || error == EACCES;
}

ErrorCode code_of(int error) {
    return is_permission(error) ? ErrorCode::not_permitted : ErrorCode::io_error;
}

/// "Operation not permitted", and then what is needed.
std::string describe(int error) {
    return errno_text(error) + (is_permission(error) ? "; it needs the capability CAP_NET_ADMIN" : "");
}

struct Attached {
    Link link;
    bool is_new = false;
    std::vector<UniqueFd> queues;
};

std::expected<UniqueFd, TapFault> open_queue(const std::string& name, unsigned flags) {
    UniqueFd fd(::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC));
    if (!fd) {
        const int error = errno;
        return fault("tap", error == ENOENT ? ErrorCode::not_found : code_of(error),
                     std::format("cannot open /dev/net/tun: {}; expected the kernel module \"tun\" and a "
                                 "device node that this daemon may open",
                                 errno_text(error)));
    }
    ifreq request{};
    std::memcpy(request.ifr_name, name.data(), std::min(name.size(), sizeof request.ifr_name - 1));
    request.ifr_flags = static_cast<short>(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | flags);
    if (::ioctl(fd.get(), TUNSETIFF, &request) != 0) {
        const int error = errno;
        if (error == EBUSY) {
            return fault(
                "tap", ErrorCode::resource_busy,
                std::format("{} is in use by another device or program; expected one of its own", name));
        }
        return fault("tap", code_of(error), std::format("cannot attach to {}: {}", name, describe(error)));
    }
    return fd;
}

/// Whether a link that exists can be attached to, with that many queues.
std::expected<void, TapFault> check_existing(const Link& link, std::uint16_t pairs) {
    if (link.kind != "tun" || !link.is_tap) {
        return fault("tap", ErrorCode::invalid_config,
                     std::format("{} is no tap but a network interface of another kind; expected the name of "
                                 "a tap, or a new name for one to be made",
                                 link.name));
    }
    if (pairs > 1 && !link.is_multi_queue) {
        return fault("queue_pairs", ErrorCode::invalid_config,
                     std::format("the tap {} was made for a single queue; expected 1, or a tap made with "
                                 "\"multi_queue\"",
                                 link.name));
    }
    return {};
}

/// A tap that is open already, all of whose queues take part.
std::expected<Attached, TapFault> take_over(const TapSettings& settings, std::vector<UniqueFd> queues,
                                            const RouteSocket& route) {
    for (const auto& queue : queues) {
        ifreq request{};
        request.ifr_flags = IFF_ATTACH_QUEUE;
        // Refused where it does already.
        ::ioctl(queue.get(), TUNSETQUEUE, &request);
    }
    auto link = route.find(settings.name);
    if (!link) {
        return fault("tap", code_of(link.error()),
                     std::format("cannot ask for {}: {}", settings.name, errno_text(link.error())));
    }
    return Attached{.link = std::move(*link), .is_new = false, .queues = std::move(queues)};
}

std::expected<Attached, TapFault> attach(const TapSettings& settings, const RouteSocket& route) {
    Attached attached;
    auto flags = settings.pairs > 1 ? unsigned{IFF_MULTI_QUEUE} : 0U;
    if (auto link = route.find(settings.name)) {
        if (auto checked = check_existing(*link, settings.pairs); !checked) {
            return std::unexpected(std::move(checked).error());
        }
        // One that is made for several has to be opened so for one, too.
        flags = link->is_multi_queue ? unsigned{IFF_MULTI_QUEUE} : 0U;
    } else if (link.error() == ENODEV) {
        attached.is_new = true;
    } else {
        return fault("tap", code_of(link.error()),
                     std::format("cannot ask for {}: {}", settings.name, errno_text(link.error())));
    }
    for (std::uint16_t i = 0; i < settings.pairs; ++i) {
        const auto exclusive = attached.is_new && i == 0 ? unsigned{IFF_TUN_EXCL} : 0U;
        auto queue = open_queue(settings.name, flags | exclusive);
        if (!queue) {
            return std::unexpected(std::move(queue).error());
        }
        attached.queues.push_back(std::move(*queue));
    }
    auto link = route.find(settings.name);
    if (!link) {
        return fault("tap", code_of(link.error()),
                     std::format("cannot ask for {}: {}", settings.name, errno_text(link.error())));
    }
    attached.link = std::move(*link);
    return attached;
}

unsigned tun_flags(const Offloads& offloads) {
    const auto flag = [](bool set, unsigned bit) { return set ? bit : 0U; };
    return flag(offloads.csum, TUN_F_CSUM) | flag(offloads.tso4, TUN_F_TSO4) |
           flag(offloads.tso6, TUN_F_TSO6) | flag(offloads.ecn, TUN_F_TSO_ECN) |
           flag(offloads.ufo, TUN_F_UFO) | flag(offloads.uso4, TUN_F_USO4) | flag(offloads.uso6, TUN_F_USO6);
}

bool set_offloads(int fd, const Offloads& offloads) {
    return ::ioctl(fd, TUNSETOFFLOAD, tun_flags(offloads)) == 0;
}

/// The most that this kernel's tap takes; it is switched on then.
Offloads find_capabilities(int fd) {
    Offloads offloads{
        .csum = true, .tso4 = true, .tso6 = true, .ecn = true, .ufo = true, .uso4 = true, .uso6 = true};
    if (set_offloads(fd, offloads)) {
        return offloads;
    }
    offloads.uso4 = offloads.uso6 = false;
    if (set_offloads(fd, offloads)) {
        return offloads;
    }
    offloads.ufo = false;
    if (set_offloads(fd, offloads)) {
        return offloads;
    }
    return {};
}

/// Headers as virtio 1.2 has them, and a limit for what is on its way.
std::expected<void, TapFault> set_up_headers(const Attached& attached) {
    const int size = sizeof(Header);
    const int little_endian = 1;
    const int fd = attached.queues.front().get();
    if (::ioctl(fd, TUNSETVNETHDRSZ, &size) != 0 || ::ioctl(fd, TUNSETVNETLE, &little_endian) != 0 ||
        ::ioctl(fd, TUNSETSNDBUF, &send_buffer) != 0) {
        return fault("tap", ErrorCode::io_error,
                     std::format("cannot set up {}: {}", attached.link.name, errno_text()));
    }
    return {};
}

/// The index of the bridge to join; nothing when there is nothing to do.
std::expected<std::optional<int>, TapFault> find_bridge(const TapSettings& settings, const Link& tap,
                                                        const RouteSocket& route) {
    if (settings.bridge.empty()) {
        return std::nullopt;
    }
    const auto bridge = route.find(settings.bridge);
    if (!bridge) {
        return fault("bridge", bridge.error() == ENODEV ? ErrorCode::not_found : code_of(bridge.error()),
                     std::format("there is no bridge {}: {}; make it first, for example with "
                                 "systemd-networkd or NetworkManager",
                                 settings.bridge, errno_text(bridge.error())));
    }
    if (bridge->kind != "bridge") {
        return fault("bridge", ErrorCode::invalid_config,
                     std::format("{} is no bridge; expected the name of one", settings.bridge));
    }
    if (tap.master != 0 && tap.master != bridge->index) {
        const auto other = route.find(tap.master);
        return fault("bridge", ErrorCode::resource_busy,
                     std::format("{} is a port of {} already; expected {} there, or the tap taken out of it",
                                 tap.name, other ? other->name : "another bridge", settings.bridge));
    }
    return tap.master == bridge->index ? std::nullopt : std::optional(bridge->index);
}

/// A bridge takes the lowest address of its ports for its own: a high one for
/// ours, or the host's address would change when a zone starts.
Mac host_mac(Mac guest) {
    guest[0] = guest[0] == 0xfe ? 0xfa : 0xfe;
    return guest;
}

std::expected<void, TapFault> set_up_link(const TapSettings& settings, const Attached& attached,
                                          const RouteSocket& route) {
    auto bridge = find_bridge(settings, attached.link, route);
    if (!bridge) {
        return std::unexpected(std::move(bridge).error());
    }
    const auto change = [&](std::string_view key, std::string_view what,
                            const LinkChange& wanted) -> std::expected<void, TapFault> {
        if (auto changed = route.change(attached.link.index, wanted); !changed) {
            return fault(key, code_of(changed.error()),
                         std::format("cannot {} {}: {}", what, settings.name, describe(changed.error())));
        }
        return {};
    };
    std::expected<void, TapFault> done;
    if (settings.mtu != 0) {
        done = change("mtu", std::format("set the MTU {} of", settings.mtu), {.mtu = settings.mtu});
    }
    if (done && attached.is_new) {
        done = change("tap", "set the address of", {.mac = host_mac(settings.guest_mac)});
    }
    if (done && *bridge) {
        done = change("bridge", std::format("make a port of {} of", settings.bridge), {.master = *bridge});
    }
    if (done) {
        done = change("tap", "bring up", {.up = true});
    }
    return done;
}

std::unexpected<TapFault> of_tap(Error error) {
    return std::unexpected(TapFault{"tap", std::move(error)});
}

} // namespace

std::expected<std::unique_ptr<TapBackend>, TapFault> TapBackend::open(const TapSettings& settings,
                                                                      std::vector<UniqueFd> kept) {
    const auto route = RouteSocket::open();
    if (!route) {
        return of_tap(route.error());
    }
    auto attached = kept.size() == settings.pairs ? take_over(settings, std::move(kept), *route)
                                                  : attach(settings, *route);
    if (!attached) {
        return std::unexpected(std::move(attached).error());
    }
    if (auto done = set_up_headers(*attached); !done) {
        return std::unexpected(std::move(done).error());
    }
    const auto capabilities = find_capabilities(attached->queues.front().get());
    if (auto done = set_up_link(settings, *attached, *route); !done) {
        return std::unexpected(std::move(done).error());
    }
    const auto link = route->find(attached->link.index);
    if (!link) {
        return fault("tap", code_of(link.error()),
                     std::format("cannot ask for {}: {}", settings.name, errno_text(link.error())));
    }
    auto monitor = LinkMonitor::open(link->index);
    if (!monitor) {
        return of_tap(std::move(monitor).error());
    }
    std::unique_ptr<TapBackend> backend(
        new TapBackend(settings.name, std::move(attached->queues),
                       static_cast<std::uint16_t>(std::min<std::uint32_t>(link->mtu, UINT16_MAX)),
                       capabilities, std::move(*monitor)));
    // virtio 1.2, 5.1.6.5.5: one pair until the driver asks for more.
    if (auto done = backend->configure(capabilities, 1); !done) {
        return of_tap(std::move(done).error());
    }
    return backend;
}

Result<void> TapBackend::configure(const Offloads& guest, std::uint16_t pairs) {
    if (!set_offloads(queues_.front().get(), guest)) {
        return fail(ErrorCode::io_error, "cannot set the offloads of {}: {}", name_, errno_text());
    }
    while (attached_ != pairs) {
        const bool more = attached_ < pairs;
        ifreq request{};
        request.ifr_flags = more ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE;
        const auto which = more ? attached_ : attached_ - 1;
        if (::ioctl(queues_.at(static_cast<std::size_t>(which)).get(), TUNSETQUEUE, &request) != 0) {
            return fail(ErrorCode::io_error, "cannot change the queues of {}: {}", name_, errno_text());
        }
        attached_ = static_cast<std::uint16_t>(more ? attached_ + 1 : attached_ - 1);
    }
    return {};
}

} // namespace hvisor::devices::net
