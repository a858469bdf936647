// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/reactor.hpp"
#include "base/unix_listener.hpp"
#include "devices/gpu/viewer_link.hpp"
#include "viewer/link.hpp"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace hvisor::devices::gpu {

struct VncSettings {
    std::filesystem::path helper{}; ///< the socket of hvisor-vnc
    std::string address{};          ///< "/run/hvisor/vnc/linux2", "127.0.0.1:5900" or "[::1]:5900"
    std::string name{};             ///< what viewers see in their title
    std::string keymap{};           ///< an XKB layout
    std::string password{};         ///< "": none is asked for
    log::Fields about{};            ///< the zone and device, for messages
};

/// Shows one screen to viewers by VNC. The protocol, and everything that comes from
/// outside, is hvisor-vnc's, a program with a sandbox of its own; when it is not
/// there, or ends, it is asked again while the zone goes on.
///
/// Made on any thread; all else on the reactor's, but viewers().
class VncServer {
  public:
    /// An address in the file system is listened at when this returns. Errors name
    /// it. One of the Internet is hvisor-vnc's to listen at: what is wrong there is logged.
    [[nodiscard]] static Result<std::unique_ptr<VncServer>> open(Reactor& owner, VncSettings settings,
                                                                 RemoteInput input);
    VncServer(const VncServer&) = delete;
    VncServer& operator=(const VncServer&) = delete;
    VncServer(VncServer&&) = delete;
    VncServer& operator=(VncServer&&) = delete;
    ~VncServer() = default;

    /// Begin: nothing is to be seen, of that size. `input.resize` is called from now on.
    void start(Size dark);

    void show(RemotePicture picture);
    void hide(Size size) { show({.file = {}, .size = size}); }
    void change(const Rect& part);
    void set_cursor(const Cursor* cursor);

    /// Send everybody away, for good.
    void close();

    [[nodiscard]] const std::string& address() const { return settings_.address; }
    /// Any thread: how many look at it now.
    [[nodiscard]] std::size_t viewers() const { return viewer_count_.load(std::memory_order_relaxed); }

  private:
    VncServer(Reactor& owner, VncSettings settings, RemoteInput input, std::optional<UnixListener> listener);

    void connect();
    /// hvisor-vnc is not there: say why, and try again later.
    void retry(const std::string& why);
    void read();
    /// Why it is of no use any more; nothing while it is.
    [[nodiscard]] std::optional<std::string> take(viewer::Received& message);
    void admit(UniqueFd socket);
    void remove(const ViewerLink& link);
    void let_go();

    Reactor& owner_;
    const VncSettings settings_;
    const RemoteInput input_;
    std::optional<UnixListener> listener_;
    std::unique_ptr<viewer::Link> helper_; ///< null: it is not there
    bool is_open_ = false;                 ///< between start() and close()
    std::chrono::seconds delay_;           ///< until the next try
    std::string complaint_;                ///< the last that was logged
    RemotePicture picture_;
    std::optional<Cursor> cursor_;
    std::vector<std::unique_ptr<ViewerLink>> viewers_;
    std::atomic<std::size_t> viewer_count_{0};
    Reactor::Timer retry_timer_;
    Reactor::Timer calm_timer_; ///< it has been there long enough
};

} // namespace hvisor::devices::gpu
