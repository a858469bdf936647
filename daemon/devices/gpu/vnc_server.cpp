// SPDX-License-Identifier: Apache-2.0
#include "devices/gpu/vnc_server.hpp"

#include "devices/gpu/helper_socket.hpp"

#include <algorithm>
#include <format>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <utility>
#include <variant>

namespace hvisor::devices::gpu {
namespace {

constexpr std::size_t most_viewers = 16;
/// Before the device has its turn again.
constexpr int helper_messages_at_once = 64;
constexpr std::chrono::seconds first_delay{1};
constexpr std::chrono::seconds longest_delay{30};
/// A hvisor-vnc that stays so long is not one that ends as soon as it begins.
constexpr std::chrono::seconds calm_time{10};

/// What hvisor-vnc passes for a viewer is no more than a socket of this kind.
bool is_viewer_socket(int fd) {
    int domain = 0;
    int type = 0;
    socklen_t length = sizeof domain;
    return ::getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) == 0 && domain == AF_UNIX &&
           ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0 && type == SOCK_SEQPACKET;
}

/// The folder of sockets, which nobody has made before the first screen.
Result<UnixListener> listen_at(const std::string& address, const std::filesystem::path& helper) {
    const auto folder = std::filesystem::path(address).parent_path();
    if (folder == helper.parent_path() / "vnc") {
        constexpr mode_t for_all = 0755;
        // When it cannot be made, the socket cannot either, and that says why. One that is
        // there may give its group to what is made in it, and keeps its mode.
        if (::mkdir(folder.c_str(), for_all) == 0) {
            static_cast<void>(::chmod(folder.c_str(), for_all)); // whatever the umask
        }
    }
    return UnixListener::open(address);
}

} // namespace

Result<std::unique_ptr<VncServer>> VncServer::open(Reactor& owner, VncSettings settings, RemoteInput input) {
    std::optional<UnixListener> listener;
    if (settings.address.starts_with('/')) {
        auto made = listen_at(settings.address, settings.helper);
        if (!made) {
            return std::unexpected(std::move(made).error());
        }
        listener = std::move(*made);
    }
    return std::unique_ptr<VncServer>(
        new VncServer(owner, std::move(settings), std::move(input), std::move(listener)));
}

VncServer::VncServer(Reactor& owner, VncSettings settings, RemoteInput input,
                     std::optional<UnixListener> listener)
    : owner_(owner),
      settings_(std::move(settings)),
      input_(std::move(input)),
      listener_(std::move(listener)),
      delay_(first_delay),
      retry_timer_(owner, [this] { connect(); }),
      calm_timer_(owner, [this] {
          delay_ = first_delay;
          complaint_.clear();
      }) {}

void VncServer::start(Size dark) {
    is_open_ = true;
    picture_ = {.file = {}, .size = dark};
    connect();
}

void VncServer::connect() {
    auto socket = connect_helper(settings_.helper);
    if (!socket) {
        retry(std::format("{}; is hvisor-vnc installed, and hvisor-vnc.socket active?",
                          socket.error().message));
        return;
    }
    helper_ = std::make_unique<viewer::Link>(std::move(*socket));
    const viewer::Serve serve{.version = viewer::protocol_version,
                              .name = viewer::text_of<decltype(viewer::Serve::name)>(settings_.name),
                              .address = viewer::text_of<decltype(viewer::Serve::address)>(
                                  listener_ ? std::string_view() : settings_.address),
                              .keymap = viewer::text_of<decltype(viewer::Serve::keymap)>(settings_.keymap),
                              .password =
                                  viewer::text_of<decltype(viewer::Serve::password)>(settings_.password)};
    if (helper_->send(serve, listener_ ? listener_->fd() : -1) != viewer::Sent::yes) {
        helper_.reset();
        retry("hvisor-vnc takes no message");
        return;
    }
    if (auto watched = owner_.watch(helper_->fd(), EPOLLIN, [this](std::uint32_t) { read(); }); !watched) {
        helper_.reset();
        retry(watched.error().message);
        return;
    }
    calm_timer_.set(Reactor::Clock::now() + calm_time);
}

void VncServer::retry(const std::string& why) {
    calm_timer_.cancel();
    if (!is_open_) {
        return;
    }
    // Once for the same thing: it may take its time to be mended.
    if (why != complaint_) {
        complaint_ = why;
        log::write_later(log::Level::warning, settings_.about,
                         std::format("nobody can look at {}: {}", settings_.address, why));
    }
    retry_timer_.set(Reactor::Clock::now() + delay_);
    delay_ = std::min(2 * delay_, longest_delay);
}

void VncServer::read() {
    for (int i = 0; i < helper_messages_at_once; ++i) {
        auto received = helper_->receive();
        if (std::holds_alternative<viewer::Nothing>(received)) {
            return;
        }
        auto* message = std::get_if<viewer::Received>(&received);
        const auto end = message != nullptr ? take(*message) : "hvisor-vnc has ended; it is asked again";
        if (end) {
            let_go();
            retry(*end);
            return;
        }
    }
}

std::optional<std::string> VncServer::take(viewer::Received& message) {
    if (message.as<viewer::Viewer>()) {
        admit(message.take_file());
        return std::nullopt;
    }
    const auto trouble = message.as<viewer::Trouble>();
    return trouble ? plain_line(viewer::view_of(trouble->text))
                   : "hvisor-vnc says what is no message of its own";
}

void VncServer::admit(UniqueFd socket) {
    // Who is not admitted sees its connection end.
    if (!socket || viewers_.size() >= most_viewers || !is_viewer_socket(socket.get())) {
        return;
    }
    auto link = std::make_unique<ViewerLink>(
        std::move(socket), ViewerLink::Display{.owner = owner_,
                                               .picture = picture_,
                                               .cursor = cursor_,
                                               .input = input_,
                                               .gone = [this](ViewerLink& gone) { remove(gone); }});
    if (!link->start()) {
        return;
    }
    viewers_.push_back(std::move(link));
    viewer_count_.store(viewers_.size(), std::memory_order_relaxed);
}

void VncServer::remove(const ViewerLink& link) {
    std::erase_if(viewers_, [&link](const auto& one) { return one.get() == &link; });
    viewer_count_.store(viewers_.size(), std::memory_order_relaxed);
}

void VncServer::show(RemotePicture picture) {
    picture_ = std::move(picture);
    for (const auto& one : viewers_) {
        one->tell_picture();
    }
}

void VncServer::change(const Rect& part) {
    for (const auto& one : viewers_) {
        one->tell_change(part);
    }
}

void VncServer::set_cursor(const Cursor* cursor) {
    cursor_ = cursor != nullptr ? std::optional(*cursor) : std::nullopt;
    for (const auto& one : viewers_) {
        one->tell_cursor();
    }
}

void VncServer::let_go() {
    if (helper_) {
        owner_.unwatch(helper_->fd());
        helper_.reset();
    }
}

void VncServer::close() {
    is_open_ = false;
    retry_timer_.cancel();
    calm_timer_.cancel();
    let_go();
    viewers_.clear();
    viewer_count_ = 0;
    listener_.reset();
}

} // namespace hvisor::devices::gpu
