// SPDX-License-Identifier: Apache-2.0
#include "devices/gpu/drm_events.hpp"

#include "base/errno_text.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <format>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <utility>

namespace hvisor::devices::gpu {
namespace {

/// The group that the kernel speaks to; udev speaks to another.
constexpr std::uint32_t kernel_group = 1;
/// The kernel's UEVENT_BUFFER_SIZE.
constexpr std::size_t largest_message = 2048;
/// Messages of one turn; the next one comes at once when there are more.
constexpr int most_messages = 32;

} // namespace

Result<DrmEvents> DrmEvents::open(std::string card) {
    UniqueFd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT));
    sockaddr_nl address{};
    address.nl_family = AF_NETLINK;
    address.nl_groups = kernel_group;
    if (!socket || ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        return fail(ErrorCode::failed, "cannot listen for displays that come and go: {}", errno_text());
    }
    return DrmEvents(std::move(socket), std::move(card));
}

bool DrmEvents::update() {
    bool happened = false;
    std::array<char, largest_message> buffer; // NOLINT(cppcoreguidelines-pro-type-member-init): filled below
    for (int i = 0; i < most_messages; ++i) {
        sockaddr_nl from{};
        socklen_t length = sizeof from;
        const auto count = ::recvfrom(socket_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT,
                                      reinterpret_cast<sockaddr*>(&from), &length);
        if (count < 0) {
            // Messages were lost: look, whatever they said.
            return happened || errno == ENOBUFS;
        }
        // Port 0 is the kernel: a privileged process could send such messages, too.
        happened |=
            from.nl_pid == 0 && concerns_card({buffer.data(), static_cast<std::size_t>(count)}, card_);
    }
    return happened;
}

bool concerns_card(std::string_view message, std::string_view card) {
    bool is_drm = false;
    bool is_card = false;
    const auto wanted = std::format("DEVNAME=dri/{}", card);
    while (!message.empty()) {
        const auto line = message.substr(0, message.find('\0'));
        is_drm |= line == "SUBSYSTEM=drm";
        is_card |= line == wanted;
        message.remove_prefix(std::min(line.size() + 1, message.size()));
    }
    return is_drm && is_card;
}

} // namespace hvisor::devices::gpu
