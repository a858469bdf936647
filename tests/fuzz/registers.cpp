// SPDX-License-Identifier: Apache-2.0
#include "device_fuzz.hpp"
#include "kit/test_device.hpp"

namespace {

using namespace hvisor;

virtio::DeviceModel make_model() {
    auto model = kit::TestDevice::make_model();
    model.features = model.features | virtio::FeatureSet{virtio::FeatureBit::in_order};
    model.writable_config = {{.offset = 4, .size = 4}};
    return model;
}

/// Mostly registers, in any order, over a device whose requests end late, so
/// that resets of the device and of its queues have something to wait for.
class RegistersFuzz final : public fuzz::DeviceFuzz<kit::TestDevice> {
  public:
    explicit RegistersFuzz(fuzz::Input& input) : DeviceFuzz(input, make_model()) {}

  private:
    [[nodiscard]] fuzz::Request make_request(std::size_t) override {
        return {.parts = {{.readable = kit::to_bytes("ping")}, {.writable = 1 + input().below(8)}}};
    }
    void host_step() override {
        if (input().sometimes()) {
            rig().device.change_config(input().below(8), "xy");
        } else {
            rig().device.keep_requests(input().below(2));
        }
    }
    void hurry() override { rig().device.finish_requests(); }
    [[nodiscard]] bool pokes_often() const override { return true; }
    [[nodiscard]] bool may_write(std::byte byte) const override {
        return std::string_view("pong").contains(static_cast<char>(byte));
    }
    [[nodiscard]] bool works() override {
        hurry();
        return send(1, {{.readable = kit::to_bytes("ping")}, {.writable = 4}}) == 4 &&
               kit::to_text(latest(1)) == "pong";
    }
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::Input input(data, size);
    RegistersFuzz(input).run();
    return 0;
}
