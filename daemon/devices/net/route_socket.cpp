// SPDX-License-Identifier: Apache-2.0
#include "devices/net/route_socket.hpp"

#include "base/errno_text.hpp"

#include <array>
#include <cerrno>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

namespace hvisor::devices::net {
namespace {

/// A description with all its statistics is about 2 KiB.
using Buffer = std::array<char, 32768>;

constexpr std::uint8_t tun_type_tap = 2; // IFF_TAP

nlmsghdr* put_request(Buffer& buffer, std::uint16_t type, int index) {
    auto* message = mnl_nlmsg_put_header(buffer.data());
    message->nlmsg_type = type;
    message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
    message->nlmsg_seq = 1;
    auto* body = static_cast<ifinfomsg*>(mnl_nlmsg_put_extra_header(message, sizeof(ifinfomsg)));
    body->ifi_family = AF_UNSPEC;
    body->ifi_index = index;
    return message;
}

int take_tun(const nlattr* attribute, void* result) {
    auto& link = *static_cast<Link*>(result);
    if (mnl_attr_validate(attribute, MNL_TYPE_U8) < 0) {
        return MNL_CB_OK; // others are longer
    }
    const auto value = mnl_attr_get_u8(attribute);
    switch (mnl_attr_get_type(attribute)) {
    case IFLA_TUN_TYPE:
        link.is_tap = value == tun_type_tap;
        break;
    case IFLA_TUN_MULTI_QUEUE:
        link.is_multi_queue = value != 0;
        break;
    default:
        break;
    }
    return MNL_CB_OK;
}

int take_kind(const nlattr* attribute, void* result) {
    auto& link = *static_cast<Link*>(result);
    if (mnl_attr_get_type(attribute) == IFLA_INFO_KIND) {
        link.kind = mnl_attr_get_str(attribute);
    } else if (mnl_attr_get_type(attribute) == IFLA_INFO_DATA && link.kind == "tun") { // the kind comes first
        return mnl_attr_parse_nested(attribute, take_tun, result);
    }
    return MNL_CB_OK;
}

int take_attribute(const nlattr* attribute, void* result) {
    auto& link = *static_cast<Link*>(result);
    switch (mnl_attr_get_type(attribute)) {
    case IFLA_IFNAME:
        link.name = mnl_attr_get_str(attribute);
        break;
    case IFLA_MTU:
        link.mtu = mnl_attr_get_u32(attribute);
        break;
    case IFLA_MASTER:
        link.master = static_cast<int>(mnl_attr_get_u32(attribute));
        break;
    case IFLA_LINKINFO:
        return mnl_attr_parse_nested(attribute, take_kind, result);
    default:
        break;
    }
    return MNL_CB_OK;
}

int take_link(const nlmsghdr* message, void* result) {
    if (message->nlmsg_type == RTM_NEWLINK) {
        *static_cast<Link*>(result) = parse_link(message);
    }
    return MNL_CB_OK;
}

} // namespace

Link parse_link(const nlmsghdr* message) {
    const auto* body = static_cast<const ifinfomsg*>(mnl_nlmsg_get_payload(message));
    Link link;
    link.index = body->ifi_index;
    link.flags = body->ifi_flags;
    mnl_attr_parse(message, sizeof(ifinfomsg), take_attribute, &link);
    return link;
}

void RouteSocket::Close::operator()(mnl_socket* socket) const {
    mnl_socket_close(socket);
}

Result<RouteSocket> RouteSocket::open(std::uint32_t groups) {
    RouteSocket opened(mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC));
    if (opened.socket_ == nullptr || mnl_socket_bind(opened.socket_.get(), groups, MNL_SOCKET_AUTOPID) != 0) {
        return fail(ErrorCode::failed, "cannot open a netlink socket: {}", errno_text());
    }
    return opened;
}

int RouteSocket::fd() const {
    return mnl_socket_get_fd(socket_.get());
}

std::expected<Link, int> RouteSocket::ask(nlmsghdr* request) const {
    if (mnl_socket_sendto(socket_.get(), request, request->nlmsg_len) < 0) {
        return std::unexpected(errno);
    }
    Buffer buffer{};
    Link link;
    // Answers until the acknowledgement, which ends the loop.
    for (int more = MNL_CB_OK; more == MNL_CB_OK;) {
        const auto count = mnl_socket_recvfrom(socket_.get(), buffer.data(), buffer.size());
        if (count < 0) {
            return std::unexpected(errno);
        }
        more = mnl_cb_run(buffer.data(), static_cast<std::size_t>(count), 1,
                          mnl_socket_get_portid(socket_.get()), take_link, &link);
        if (more < 0) {
            return std::unexpected(errno);
        }
    }
    return link;
}

std::expected<Link, int> RouteSocket::find(const std::string& name) const {
    Buffer buffer{};
    auto* request = put_request(buffer, RTM_GETLINK, 0);
    mnl_attr_put_strz(request, IFLA_IFNAME, name.c_str());
    return ask(request);
}

std::expected<Link, int> RouteSocket::find(int index) const {
    Buffer buffer{};
    return ask(put_request(buffer, RTM_GETLINK, index));
}

std::expected<void, int> RouteSocket::change(int index, const LinkChange& change) const {
    Buffer buffer{};
    auto* request = put_request(buffer, RTM_NEWLINK, index);
    if (change.up) {
        auto* body = static_cast<ifinfomsg*>(mnl_nlmsg_get_payload(request));
        body->ifi_flags = IFF_UP;
        body->ifi_change = IFF_UP;
    }
    if (change.mac) {
        mnl_attr_put(request, IFLA_ADDRESS, change.mac->size(), change.mac->data());
    }
    if (change.mtu) {
        mnl_attr_put_u32(request, IFLA_MTU, *change.mtu);
    }
    if (change.master) {
        mnl_attr_put_u32(request, IFLA_MASTER, static_cast<std::uint32_t>(*change.master));
    }
    const auto answer = ask(request);
    if (!answer) {
        return std::unexpected(answer.error());
    }
    return {};
}

} // namespace hvisor::devices::net
