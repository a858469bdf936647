// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/throttle.hpp"
#include "zone/json_document.hpp"

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hvisor::zone {

/// What upstream's virtio JSON says (hvisor interface, section 6.5). Plain
/// data; `pointer` is the JSON pointer of the object something was read from.

/// Guest RAM that the devices may reach: where it is for the root zone, and for the guest.
struct RamMapping {
    std::uint64_t zone0_ipa = 0;
    std::uint64_t zonex_ipa = 0;
    std::uint64_t size = 0;
    std::string pointer;
};

enum class DeviceType { block, console, net, entropy, vsock, gpu, input };

/// What a disk has beside a window and an interrupt.
struct BlockConfig {
    std::string image; ///< the path as it is written
    bool read_only = false;
    bool direct = false;      ///< past the root zone's page cache
    std::string serial;       ///< "" for one that is made from the image
    std::uint16_t queues = 1; ///< the most that the driver can use
    Throttle::Settings limit;
};

/// What a network device has beside a window and an interrupt.
struct NetConfig {
    std::string tap; ///< name of the host's end
    std::array<std::uint8_t, 6> mac{};
    std::string bridge;            ///< "" leaves the tap where it is
    std::uint16_t mtu = 0;         ///< 0 leaves it as it is
    std::uint16_t queue_pairs = 1; ///< the most that the driver can use
    Throttle::Settings transmit;   ///< from the guest
    Throttle::Settings receive;    ///< to the guest
};

/// A port of a console beside its terminal.
struct VirtioPort {
    std::string name;
    bool is_console = false;
};

enum class GpuBackend {
    drm,      ///< a connector of a graphics card
    headless, ///< nothing but screenshots
};

/// Where a headless screen can be looked at by VNC.
struct VncConfig {
    std::string listen{};        ///< "127.0.0.1:5900" or a socket's path; "" for one named after the zone
    std::string password_file{}; ///< "": none is asked for
    std::string keymap{};        ///< an XKB layout
    std::string pointer{};
};

/// One screen of a GPU device.
struct DisplayConfig {
    std::string connector{};        ///< "HDMI-A-1"; "" for the first with a display that is free
    std::uint32_t width = 0;        ///< 0 for what the display prefers
    std::uint32_t height = 0;       ///< the same
    std::uint32_t refresh = 0;      ///< frames a second, of a headless screen
    std::optional<VncConfig> vnc{}; ///< the same
    std::string pointer{};
};

/// What a GPU device has beside a window and an interrupt.
struct GpuConfig {
    GpuBackend backend = GpuBackend::drm;
    std::string card; ///< "/dev/dri/card0"; "" for the first with a display that is free
    std::vector<DisplayConfig> displays;
    std::uint64_t memory = std::uint64_t{256} << 20; ///< bytes that the driver can have
    std::uint32_t resources = 4096;                  ///< the same, of pictures
    bool is_3d = false;                              ///< a renderer draws for it in three dimensions
};

enum class InputModel {
    keyboard,
    tablet,
    mouse,
    evdev, ///< a keyboard or pointer of the root zone
};

/// The word for it in a zone file.
[[nodiscard]] std::string_view to_string(InputModel model);

/// What an input device has beside a window and an interrupt.
struct InputConfig {
    InputModel model = InputModel::keyboard;
    std::string path{}; ///< of an evdev
    bool grab = true;   ///< the same: nobody else hears of it while the zone uses it
};

struct VirtioDevice {
    DeviceType type = DeviceType::console;
    std::uint64_t address = 0;
    std::uint64_t length = 0;
    std::uint32_t interrupt = 0;
    BlockConfig block;
    NetConfig net;
    GpuConfig gpu;
    InputConfig input;
    std::vector<VirtioPort> ports; ///< of a console
    bool journal = false;          ///< the same: what the guest prints is logged, too
    std::uint32_t cid = 0;         ///< of a socket device
    Throttle::Settings entropy_limit;
    std::string pointer;
};

struct VirtioZone {
    std::uint32_t id = 0;
    std::vector<RamMapping> memory;
    std::vector<VirtioDevice> devices;
    std::vector<std::string> disabled{}; ///< pointers of what else is there, with the status "disable"
    std::string pointer;
};

struct VirtioConfig {
    std::vector<VirtioZone> zones;

    [[nodiscard]] const VirtioZone* zone(std::uint32_t id) const;
    /// Of the zone with that id; none where there is no such zone.
    [[nodiscard]] std::span<const VirtioDevice> devices_of(std::uint32_t id) const;
};

/// A virtio JSON: the model and the text it came from.
struct VirtioFile {
    JsonDocument document;
    VirtioConfig config;
    std::vector<std::string> warnings; ///< "FILE:LINE:COLUMN: /json/pointer: what", in order
};

/// Read upstream's virtio JSON. The error holds every problem found, a line each.
[[nodiscard]] Result<VirtioFile> read_virtio_config(const ConfigText& text);
[[nodiscard]] Result<VirtioFile> read_virtio_config(JsonDocument document);

} // namespace hvisor::zone
