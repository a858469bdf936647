// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/unique_fd.hpp"
#include "devices/net/config.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace hvisor::bench {

inline constexpr devices::net::Mac guest_mac{0x02, 0, 0, 0, 1, 1};

/// A network of the calling thread's own, until this goes.
class Network {
  public:
    [[nodiscard]] static std::optional<Network> make();
    Network(const Network&) = delete;
    Network& operator=(const Network&) = delete;
    Network(Network&&) = default;
    Network& operator=(Network&&) = default;
    ~Network();

  private:
    explicit Network(UniqueFd before) : before_(std::move(before)) {}
    UniqueFd before_;
};

/// An Ethernet frame with an IPv4 packet for somebody else, so that the host
/// looks at it and is done, behind its virtio header.
class Frame {
  public:
    [[nodiscard]] static Frame plain(std::size_t size);
    /// A TCP segment that the host is to cut and to give checksums.
    [[nodiscard]] static Frame segment(std::size_t size);

    /// With the header.
    [[nodiscard]] const std::vector<std::byte>& bytes() const { return bytes_; }
    /// Without it.
    [[nodiscard]] std::size_t size() const { return bytes_.size() - sizeof(devices::net::Header); }

  private:
    Frame(const devices::net::Header& header, std::size_t size);
    std::vector<std::byte> bytes_;
};

/// The host, which sends numbered frames of 1,514 bytes into a tap whose queue
/// holds all of them.
class PacketSource {
  public:
    static constexpr std::uint32_t count = 20000;
    static constexpr std::size_t frame_size = 1514;
    /// Where the number is in a frame.
    static constexpr std::size_t number_offset = 40;

    explicit PacketSource(const std::string& tap);

    /// Send `count` frames with the numbers from `first` on.
    void fill(std::uint32_t first);

  private:
    UniqueFd socket_;
    std::vector<std::byte> frame_;
};

} // namespace hvisor::bench
