// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "base/fd_store.hpp"
#include "base/throttle.hpp"
#include "base/unique_fd.hpp"
#include "devices/block/device.hpp"
#include "devices/gpu/device.hpp"
#include "devices/net/backend_tap.hpp"
#include "devices/net/device.hpp"
#include "guest/guest_memory.hpp"
#include "hypervisor/trap_loop.hpp"
#include "virtio/queue_metrics.hpp"
#include "zone/virtio_config.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace hvisor::zone {

/// A disk: an open image, and how to use it.
struct BlockSettings {
    UniqueFd image;
    devices::block::FileOptions file{};
    devices::block::BlockOptions options{};
};

/// A further port of a console, beside the terminal that each has.
struct ConsolePort {
    std::string name;        ///< the guest finds it by, unique in its console
    bool is_console = false; ///< a terminal, not a stream for programs
};

/// A console, with at most 6 further ports.
struct ConsoleSettings {
    std::vector<ConsolePort> ports;
    bool is_logged = false; ///< what the guest prints goes to the log, too
};

/// A network device: the tap at its end, which is opened when the device is
/// made and let go when the zone stops, and how to use it.
struct NetSettings {
    devices::net::TapSettings tap;
    devices::net::NetSettings options{};
    std::string location{}; ///< of its description, for messages
};

/// A source of random numbers.
struct EntropySettings {
    Throttle::Settings limit;
};

/// Sockets between the zone and the root zone, by the kernel's vhost-vsock.
struct VsockSettings {
    std::uint32_t cid = 0;  ///< the zone's address
    std::string location{}; ///< of its description, for messages
};

/// A graphics card with one or more screens, each of which is opened when the
/// device is made and let go when the zone stops.
struct GpuSettings {
    GpuConfig config;
    std::vector<std::string> passwords{}; ///< for VNC, one a display; "" where none is asked for
    std::string location{};               ///< of its description, for messages
};

/// A keyboard or a pointer.
struct InputSettings {
    InputConfig config;
    std::string location{}; ///< of its description, for messages
};

class DeviceSlot;
class ZoneInputs;

/// One virtio-mmio device of a zone. `address` and `length` are the window in
/// the guest, `interrupt` the absolute id that the zone file lists.
struct DeviceSettings {
    std::uint64_t address = 0;
    std::uint64_t length = 0;
    std::uint32_t interrupt = 0;
    std::variant<BlockSettings, ConsoleSettings, NetSettings, EntropySettings, VsockSettings, GpuSettings,
                 InputSettings>
        model;
    std::string key{}; ///< of a device that a process before this one has had, see KeptFiles
};

/// One virtqueue as a person debugging a guest wants to see it.
struct QueueState {
    std::uint16_t size = 0;
    bool ready = false;
    std::uint16_t avail_index = 0; ///< next entry this side will take
    std::uint16_t used_index = 0;  ///< next entry this side will publish
    virtio::QueueMetrics metrics;
};

/// One port of a console at one moment.
struct PortState {
    std::string name; ///< "" of the console itself
    bool is_console = false;
    std::string terminal; ///< "/dev/pts/3"; "" when there is none
    std::uint16_t columns = 0;
    std::uint16_t rows = 0;
    bool guest_open = false; ///< somebody in the guest has it open
    std::size_t clients = 0; ///< streams that are attached
    bool has_typist = false; ///< one of them has the input
};

/// A disk at one moment.
struct DiskState {
    std::uint64_t capacity = 0; ///< bytes, as the driver was told
    bool read_only = false;
    std::string serial;
};

/// The cable of a network device at one moment.
struct LinkState {
    devices::net::Mac mac{};
    std::uint16_t mtu = 0;
    bool is_plugged = true; ///< see ZoneDevices::set_link()
    bool is_up = false;     ///< as the driver was told
};

/// A screen of a GPU device at one moment.
struct DisplayState {
    std::string connector; ///< "HDMI-A-1"; "" of a headless one
    bool is_connected = false;
    bool is_on = false; ///< the driver shows a picture
    std::uint32_t width = 0;
    std::uint32_t height = 0;
    std::uint32_t refresh = 0; ///< mHz
    std::uint64_t frames = 0;  ///< shown since the zone's start
    std::uint32_t frames_per_second = 0;
    std::string remote;      ///< where it can be seen by VNC; "" where it cannot
    std::size_t viewers = 0; ///< who look at it there now
};

/// The screens of a GPU device, and the memory behind them.
struct GpuState {
    std::vector<DisplayState> displays;
    std::uint64_t memory_used = 0;  ///< bytes that the driver makes the daemon keep
    std::uint64_t memory_limit = 0; ///< and how many it can
    std::string renderer;           ///< what draws in three dimensions; "" when nothing does
};

/// A keyboard or pointer at one moment.
struct InputState {
    std::string model;         ///< "keyboard", "tablet", "mouse", "evdev"
    std::string name;          ///< as the guest reads it
    std::uint32_t leds = 0;    ///< bit n: LED n is lit (1 is caps lock)
    std::uint64_t dropped = 0; ///< events that the guest had no room for
};

/// One device at one moment; everything a person at the board asks first.
struct DeviceState {
    std::string id;   ///< unique in the zone: "block-a003c00"
    std::string type; ///< "block", "console", "net", "entropy", "vsock", "gpu", "input"
    std::uint64_t address = 0;
    std::uint64_t length = 0;
    std::uint32_t interrupt = 0;
    std::uint32_t status = 0;   ///< virtio 1.2, 2.1; 0xf is a working driver
    std::string reset_reason{}; ///< why it says DEVICE_NEEDS_RESET; "" while it does not
    std::string last_register;  ///< name of the register touched last, "" when none was
    std::uint64_t accesses = 0; ///< register accesses so far
    std::vector<QueueState> queues;
    std::optional<std::chrono::milliseconds>
        unacknowledged; ///< age of an interrupt the guest has not acknowledged
    std::uint64_t interrupts_sent = 0;
    std::uint64_t interrupts_repeated = 0; ///< sent again because the guest did not see the first
    std::string backend; ///< image path, the console's /dev/pts/N, the tap, "cid 3", "headless", "keyboard"
    std::vector<PortState> ports;      ///< of a console
    bool is_stalled = false;           ///< the back end has finished nothing for a while
    std::optional<DiskState> disk{};   ///< of a block device
    std::optional<LinkState> link{};   ///< of a network device
    std::optional<GpuState> gpu{};     ///< of a GPU device
    std::optional<InputState> input{}; ///< of an input device
};

/// How to attach to a console.
struct ConsoleAttach {
    std::string port{};            ///< its name, "" for the console itself
    std::size_t replay = SIZE_MAX; ///< bytes of history to receive first
    bool read_only = false;
    bool force = false; ///< take the input from the client that has it
};

/// The window that a console's user sees, in characters.
struct ConsoleSize {
    std::uint16_t columns = 0;
    std::uint16_t rows = 0;
};

/// All virtio devices of one zone: creates them, routes register accesses to
/// them, changes and stops them. Owned by its Zone and registered with the TrapLoop.
class ZoneDevices final : public hypervisor::TrapHandler {
  public:
    /// `memory` must outlive nothing: it is shared with the devices. Errors
    /// name the zone's device by type and address.
    [[nodiscard]] static Result<std::shared_ptr<ZoneDevices>>
    create(std::uint32_t zone, const std::string& zone_name,
           const std::shared_ptr<const guest::GuestMemory>& memory, std::vector<DeviceSettings> settings,
           hypervisor::TrapLoop& interrupts, FdStore& store);

    ~ZoneDevices() override;

    /// TrapLoop: one register access; 0 for an address without a device.
    std::optional<std::uint64_t> access(const hypervisor::TrapRequest& request) override;

    /// Stop all queues and wait until the back ends have drained. Registers
    /// are answered as before afterwards; kicks do nothing. Idempotent.
    void quiesce();

    /// One entry a device, in the order of the settings. Any thread.
    [[nodiscard]] std::vector<DeviceState> inspect() const;

    /// The address of each device, and its key in the FdStore. Any thread.
    [[nodiscard]] std::vector<std::pair<std::uint64_t, std::string>> keys() const;
    /// The zone is gone: no process after this one goes on with its devices.
    void forget();

    /// To be called now and then, on a thread that may wait: let go of what is kept for those who have left.
    void tidy();

    /// A stream of the console's output, its history first, whose other
    /// direction is the guest's input. Empty id means the first console.
    [[nodiscard]] Result<UniqueFd> open_console(const std::string& id, const ConsoleAttach& options);
    [[nodiscard]] Result<void> resize_console(const std::string& id, const std::string& port,
                                              ConsoleSize size);
    /// How a guest was asked to power itself off.
    struct PowerOffRequest {
        const char* way; ///< for messages: "by its guest agent"
        UniqueFd stream; ///< keeps the request until the agent takes it; none where a key was pressed
    };
    /// Ask the guest to power itself off: by QEMU's guest agent, when one listens
    /// on a console port called agent_port, else by the power key of its first
    /// keyboard, when its driver runs. Nothing when there is neither.
    [[nodiscard]] std::optional<PowerOffRequest> ask_to_power_off();
    static constexpr const char* agent_port = "org.qemu.guest_agent.0";

    /// Make a disk's image `bytes` long unless that is 0, and tell the guest
    /// the size that it has. Returns that size in bytes.
    [[nodiscard]] Result<std::uint64_t> resize_disk(const std::string& id, std::uint64_t bytes);
    /// Put another image into a disk, see BlockDevice::swap_image().
    [[nodiscard]] Result<std::uint64_t> swap_image(const std::string& id, const std::string& path,
                                                   UniqueFd image);
    /// Plug the cable of a network device in, or pull it out.
    [[nodiscard]] Result<void> set_link(const std::string& id, bool is_plugged);

    /// What a screen of a GPU device shows, see GpuDevice::take_screenshot(). It
    /// waits until the picture that is being drawn is there: on no main loop.
    [[nodiscard]] Result<devices::gpu::Screenshot> take_screenshot(const std::string& id, std::size_t display,
                                                                   bool with_cursor);
    /// Ask the guest to draw pictures of another size, see GpuDevice::resize().
    [[nodiscard]] Result<void> resize_display(const std::string& id, std::size_t display,
                                              devices::gpu::Size size);

    /// Its keyboards and pointers, whichever there are at the time; never null. They may be kept
    /// longer than the devices, and reach none then.
    [[nodiscard]] std::shared_ptr<ZoneInputs> inputs() const;

    /// One more device while the zone runs; returns its id. The transport has
    /// no way to tell the guest (virtio 1.2, 4.2.3): its driver finds it when it
    /// looks again. Not at the same time as detach() or quiesce().
    [[nodiscard]] Result<std::string> attach(DeviceSettings settings);
    /// Take a device away; its window reads as 0 then. `wrong_state` while a
    /// driver uses it, unless `force`.
    [[nodiscard]] Result<void> detach(const std::string& id, bool force);

    struct Impl;

  private:
    explicit ZoneDevices(std::unique_ptr<Impl> impl);
    [[nodiscard]] std::optional<UniqueFd> ask_agent_to_power_off();
    [[nodiscard]] Result<std::shared_ptr<DeviceSlot>> disk(const std::string& id) const;
    [[nodiscard]] Result<std::shared_ptr<DeviceSlot>> gpu(const std::string& id) const;
    std::unique_ptr<Impl> impl_;
};

} // namespace hvisor::zone
