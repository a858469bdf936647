// SPDX-License-Identifier: Apache-2.0
#include "device_fuzz.hpp"
#include "devices/vsock/config.hpp"
#include "devices/vsock/device.hpp"
#include "kit/fake_vhost.hpp"

namespace {

using namespace hvisor;
using namespace hvisor::devices::vsock;

constexpr auto host_byte = std::byte{'h'};

/// What is ours of it: the registers, and who serves the queues when. The rings
/// themselves are the kernel's, in whose place is what tests use.
class VsockFuzz final : public fuzz::DeviceFuzz<VsockDevice> {
  public:
    VsockFuzz(fuzz::Input& input, const std::shared_ptr<kit::FakeVhost>& kernel)
        : DeviceFuzz(input,
                     [&kernel](virtio::DeviceContext context) {
                         auto vhost = VhostVsock::create(kit::FakeVhost::open(kernel), 3, *context.memory);
                         return VsockDevice(std::move(context), std::move(vhost).value(), 3,
                                            *Reactor::start({.name = "setup", .cpus = {}, .on_crash = {}}));
                     }),
          kernel_(kernel) {}

  private:
    [[nodiscard]] fuzz::Request make_request(std::size_t queue) override {
        fuzz::Request request;
        if ((queue == transmit_queue) != input().rarely()) {
            request.parts.push_back({.readable = std::vector(44 + input().below(200), std::byte{'g'})});
        } else {
            request.parts.push_back({.writable = 64 + input().below(4000)});
        }
        // A receive buffer that is too small or readable is an error there.
        request.may_fault = queue == receive_queue && !request.parts.front().readable.empty();
        return request;
    }

    void host_step() override { kernel_->deliver(std::vector(1 + input().below(64), host_byte)); }

    [[nodiscard]] bool may_write(std::byte byte) const override { return byte == host_byte; }
    [[nodiscard]] bool pokes_often() const override { return true; }

    [[nodiscard]] bool works() override {
        return send(transmit_queue, {{.readable = std::vector(44, std::byte{'g'})}}) == 0;
    }

    std::shared_ptr<kit::FakeVhost> kernel_;
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::Input input(data, size);
    VsockFuzz(input, std::make_shared<kit::FakeVhost>()).run();
    return 0;
}
