// SPDX-License-Identifier: Apache-2.0
#include "device_fuzz.hpp"
#include "devices/block/config.hpp"
#include "devices/block/device.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace {

using namespace hvisor;
using namespace hvisor::devices::block;

constexpr std::size_t sectors = 16;
constexpr auto image_byte = std::byte{0xd0};
constexpr auto guest_byte = std::byte{0xc0};

/// The same disk for every input: memory, so that nothing waits.
FileBackend open_image(bool read_only) {
    static const UniqueFd file(::memfd_create("image", MFD_CLOEXEC));
    const std::vector<std::byte> content(sectors * sector_size, image_byte);
    fuzz::expect(::pwrite(file.get(), content.data(), content.size(), 0) ==
                     static_cast<ssize_t>(content.size()),
                 "the image can be written");
    auto backend = FileBackend::open(UniqueFd(::fcntl(file.get(), F_DUPFD_CLOEXEC, 0)),
                                     {.path = "disk.img", .read_only = read_only});
    fuzz::expect(backend.has_value(), "the image can be opened");
    return std::move(*backend);
}

class BlockFuzz final : public fuzz::DeviceFuzz<BlockDevice> {
  public:
    explicit BlockFuzz(fuzz::Input& input) : DeviceFuzz(input, open_image(input.rarely())) {}

  private:
    [[nodiscard]] static std::vector<std::byte> bytes_of(const RequestHeader& header) {
        const auto bytes = std::as_bytes(std::span(&header, 1));
        return {bytes.begin(), bytes.end()};
    }

    [[nodiscard]] fuzz::Request make_request(std::size_t) override {
        static constexpr std::array<std::uint32_t, 8> types{0, 1, 4, 8, 11, 13, 14, 1};
        RequestHeader header{
            .type = types.at(input().below(types.size())), .reserved = 0, .sector = input().below(sectors)};
        if (input().rarely()) {
            header.type = input().take<std::uint32_t>();
        }
        if (input().rarely()) {
            header.sector = input().take<std::uint64_t>();
        }
        fuzz::Request request{.parts = {{.readable = bytes_of(header)}}};
        for (auto count = input().below(4); count > 0; --count) {
            add_data(request, header.type);
        }
        if (input().rarely()) {
            // No place for the status.
            request.may_fault = true;
        } else {
            request.parts.push_back({.writable = 1});
        }
        return request;
    }

    void add_data(fuzz::Request& request, std::uint32_t type) {
        auto length = sector_size * (1 + input().below(4));
        if (input().rarely()) {
            length = 1 + input().below(2000);
        }
        const bool has_ranges = type == 11 || type == 13 || type == 14;
        if (has_ranges) {
            // virtio 1.2, 5.2.6: sector, count and flags of each.
            std::vector<std::byte> range(16);
            range[0] = std::byte{input().take()} & std::byte{0xf};
            range[8] = std::byte{input().take()} & std::byte{0xf};
            range[12] = input().rarely() ? std::byte{input().take()} : std::byte{0};
            request.parts.push_back({.readable = range});
        } else if (type == 1) {
            request.parts.push_back({.readable = std::vector(length, guest_byte)});
        } else {
            request.parts.push_back({.writable = static_cast<std::uint32_t>(length)});
        }
    }

    [[nodiscard]] bool may_write(std::byte byte) const override {
        // The image, what the guest wrote into it, zeroes, a status, or a
        // character of the serial number.
        return byte == image_byte || byte == guest_byte || byte < std::byte{3} ||
               (byte >= std::byte{0x20} && byte < std::byte{0x7f});
    }

    [[nodiscard]] bool works() override {
        const RequestHeader header{.type = 0, .reserved = 0, .sector = sectors - 1};
        const auto used =
            send(0, {{.readable = bytes_of(header)}, {.writable = sector_size}, {.writable = 1}});
        return used == sector_size + 1 && latest(2).front() == std::byte{0};
    }
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::Input input(data, size);
    BlockFuzz(input).run();
    return 0;
}
