// SPDX-License-Identifier: Apache-2.0
#include "device_fuzz.hpp"
#include "devices/console/config.hpp"
#include "devices/console/device.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

using namespace hvisor;
using namespace hvisor::devices::console;

constexpr char typed_byte = 't';

class ConsoleFuzz final : public fuzz::DeviceFuzz<ConsoleDevice> {
  public:
    using DeviceFuzz::DeviceFuzz;

  private:
    [[nodiscard]] fuzz::Request make_request(std::size_t queue) override {
        fuzz::Request request;
        const bool wrong_way = input().rarely();
        request.may_fault = wrong_way;
        for (auto count = 1 + input().below(3); count > 0; --count) {
            const auto length = 1 + input().below(input().rarely() ? 30000 : 200);
            if ((queue == transmit_queue) != wrong_way) {
                request.parts.push_back({.readable = std::vector(length, std::byte{'g'})});
            } else {
                request.parts.push_back({.writable = length});
            }
        }
        return request;
    }

    /// Somebody attaches, types, reads, or leaves.
    void host_step() override {
        switch (input().below(5)) {
        case 0:
            if (auto fd = rig().device.attach("", {.replay = input().below(1000),
                                                   .read_only = input().rarely(),
                                                   .force = input().rarely()})) {
                ::fcntl(fd->get(), F_SETFL, O_NONBLOCK);
                readers_.push_back(std::move(*fd));
            }
            break;
        case 1:
        case 2:
            if (!readers_.empty()) {
                const std::vector<char> text(1 + input().below(300), typed_byte);
                static_cast<void>(::send(readers_.back().get(), text.data(), text.size(), MSG_NOSIGNAL));
            }
            break;
        case 3:
            for (const auto& reader : readers_) {
                std::array<char, 4096> text{};
                static_cast<void>(::read(reader.get(), text.data(), text.size()));
            }
            break;
        default:
            if (!readers_.empty()) {
                readers_.erase(readers_.begin());
            }
            break;
        }
    }

    [[nodiscard]] bool may_write(std::byte byte) const override { return byte == std::byte{typed_byte}; }

    [[nodiscard]] bool works() override {
        readers_.clear();
        auto reader = rig().device.attach("", {.replay = 0, .force = true});
        if (!reader) {
            return false;
        }
        if (!send(transmit_queue, {{.readable = kit::to_bytes("out")}})) {
            return false;
        }
        std::array<char, 3> out{};
        if (::read(reader->get(), out.data(), out.size()) != 3 || std::string_view(out.data(), 3) != "out") {
            return false;
        }
        // What others typed before may come first.
        return ::send(reader->get(), &typed_byte, 1, MSG_NOSIGNAL) == 1 &&
               send(receive_queue, {{.writable = 4}}).value_or(0) > 0 &&
               latest(0).front() == std::byte{typed_byte};
    }

    std::vector<UniqueFd> readers_;
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::Input input(data, size);
    ConsoleFuzz(input).run();
    return 0;
}
