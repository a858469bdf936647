// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "base/unique_fd.hpp"
#include "devices/console/attachment.hpp"
#include "devices/console/backend_pty.hpp"
#include "devices/console/history.hpp"
#include "virtio/device.hpp"

#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <sys/uio.h>
#include <vector>

namespace hvisor::devices::console {

/// A virtio console (virtio 1.2, 5.3) with one port.
///
/// Output goes to a history that keeps the boot log, and from there to
/// everybody who is attached. Input is taken from everybody who may type, but
/// only while the guest has a buffer for it; until then it waits where it is.
class ConsoleDevice final : public virtio::Device {
  public:
    /// Opens the pty and logs its path; without one the console works all the same.
    explicit ConsoleDevice(virtio::DeviceContext context);
    ConsoleDevice(const ConsoleDevice&) = delete;
    ConsoleDevice& operator=(const ConsoleDevice&) = delete;
    ConsoleDevice(ConsoleDevice&&) = delete;
    ConsoleDevice& operator=(ConsoleDevice&&) = delete;
    ~ConsoleDevice() override;

    /// A stream socket: the last `replay` bytes of the history, then what comes;
    /// written to it, input for the guest unless `read_only`. After quiesce()
    /// the history and its end. Any thread.
    [[nodiscard]] Result<UniqueFd> attach(std::size_t replay, bool read_only);

    static constexpr std::size_t max_attachments = 32;

    [[nodiscard]] std::string_view type_name() const override { return "console"; }
    [[nodiscard]] std::string backend_name() const override { return pty_path_; }

  private:
    void do_kick(std::size_t queue) override;
    void do_request(std::size_t queue, virtio::Chain chain) override;
    void do_quiesce() override;

    [[nodiscard]] Result<void> add(UniqueFd fd, std::uint64_t position, bool has_input);
    void handle_event(int fd, std::uint32_t events);
    void take_input(Attachment& attachment);
    /// The guest has a buffer for input; asks it to tell when it has none.
    [[nodiscard]] bool can_take_input();
    void pump_all();
    /// Watch for what can happen next, or drop who is gone.
    void settle(int fd);
    [[nodiscard]] Attachment* find(int fd);

    History history_;
    std::list<Attachment> attachments_;
    UniqueFd terminal_;
    std::string pty_path_;
    bool closing_ = false;
    std::size_t unpumped_ = 0;  ///< bytes in the history that nobody was offered yet
    std::vector<iovec> pieces_; ///< kept, so that no input allocates
};

} // namespace hvisor::devices::console
