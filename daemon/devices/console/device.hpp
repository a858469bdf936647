// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "base/unique_fd.hpp"
#include "devices/console/config.hpp"
#include "devices/console/port.hpp"
#include "devices/console/remains.hpp"
#include "devices/console/state.hpp"
#include "virtio/device.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hvisor::devices::console {

/// A port at one moment.
struct PortState {
    std::string name;
    bool is_console = false;
    std::string pty_path;
    Size size;
    bool guest_open = false; ///< a program or driver of the guest has it open
    std::size_t streams = 0; ///< clients that are attached
    bool has_typist = false; ///< one of them has the input
};

/// A virtio console (virtio 1.2, 5.3): port 0, a terminal of the guest, and
/// further ports, which need VIRTIO_CONSOLE_F_MULTIPORT.
///
/// Output goes to a port's history, which keeps the boot log, and from there
/// to everybody who is attached. Input is taken from the one who has it, but
/// only while the guest has a buffer for it; until then it waits where it is.
class ConsoleDevice final : public virtio::Device, private PortHost {
  public:
    /// `further` are the ports from number 1 on, at most max_ports - 1. Opens
    /// a pty for each port and logs its path; without one a port works all the same.
    /// `remains` are of a process before this one; `keeper` is for one after it.
    explicit ConsoleDevice(virtio::DeviceContext context, std::vector<PortOptions> further = {},
                           bool is_logged = false, Remains remains = {}, ClientKeeper keeper = {});
    ConsoleDevice(const ConsoleDevice&) = delete;
    ConsoleDevice& operator=(const ConsoleDevice&) = delete;
    ConsoleDevice(ConsoleDevice&&) = delete;
    ConsoleDevice& operator=(ConsoleDevice&&) = delete;
    ~ConsoleDevice() override = default;

    /// A stream socket: the last bytes of the port's history, then what comes;
    /// written to it, input for the guest, which only one client has at a time.
    /// After quiesce() the history and its end. "" is port 0. Any thread but the owner.
    [[nodiscard]] Result<UniqueFd> attach(std::string_view port, const AttachOptions& options);
    /// Any thread.
    [[nodiscard]] Result<void> resize(std::string_view port, Size size);
    [[nodiscard]] std::vector<PortState> ports() const;
    /// In the order of the ports; valid as long as the device is.
    [[nodiscard]] std::vector<PortFiles> files();
    /// Have the keeper drop the streams of clients that have left. Any thread but the owner.
    void drop_left();

    [[nodiscard]] std::string_view type_name() const override { return "console"; }
    [[nodiscard]] std::string backend_name() const override { return ports_.front()->pty_path(); }

  private:
    void do_activate() override;
    void do_resume() override;
    void do_reset() override;
    void do_config_written(std::size_t offset, std::span<const std::byte> bytes) override;
    void do_kick(std::size_t queue) override;
    void do_request(std::size_t queue, virtio::Chain chain) override;
    void do_quiesce() override;
    void do_close() override;

    bool takes_input(std::size_t port) override;
    Input read_typed(std::size_t port, TypedInput& typed, int fd) override;
    void has_left(std::size_t port, std::uint64_t client) override;
    void resized(std::size_t port) override;
    Reactor& reactor() override { return owner(); }
    [[nodiscard]] PortHost::Place place_of(const std::byte* part) const override {
        const auto place = Device::place_of(part);
        return {.file = place.file, .offset = place.offset};
    }
    Result<void> watch(int fd, std::function<void(std::uint32_t)> callback) override;

    void add_port(PortOptions options, Remains::Port remains);
    void open_terminal(Port& port, Remains::Port remains);
    void resume_clients(std::vector<Remains::Client> clients);
    [[nodiscard]] std::uint64_t next_client();
    void offer(Port& port);
    [[nodiscard]] Result<std::size_t> find_port(std::string_view name) const;
    /// The driver has a buffer there; asks it to tell when it has none.
    [[nodiscard]] bool has_buffer(std::size_t index);
    /// The next one for input.
    [[nodiscard]] std::optional<virtio::Chain> pop_buffer(std::size_t index);

    void handle_control(virtio::Reader reader);
    void handle_port_message(const Control& message);
    void begin_port(std::size_t port);
    void owe(std::size_t port, ControlEvent event);
    void send_owed();
    /// False when the driver has no buffer.
    [[nodiscard]] bool send(std::size_t port, ControlEvent event);

    ConsoleState& state_;
    std::vector<std::unique_ptr<Port>> ports_;
    Reactor::Timer offer_timer_;

    const ClientKeeper keeper_;
    std::mutex lock_;                                         ///< of all below
    std::uint64_t last_client_ = 0;                           ///< the latest one who has come
    std::vector<std::pair<std::size_t, std::uint64_t>> left_; ///< ports and clients, for drop_left()
};

} // namespace hvisor::devices::console
