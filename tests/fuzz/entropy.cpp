// SPDX-License-Identifier: Apache-2.0
#include "device_fuzz.hpp"
#include "devices/entropy/config.hpp"
#include "devices/entropy/device.hpp"

#include <atomic>
#include <cerrno>
#include <span>

namespace {

using namespace hvisor;
using namespace hvisor::devices::entropy;

constexpr auto random_byte = std::byte{'r'};

/// What the kernel has to give: shared with the device, which may ask until it is closed.
struct Kernel {
    std::atomic<std::size_t> most{SIZE_MAX}; ///< bytes at once; 0 is none yet
    std::atomic<bool> is_broken{false};
};

Source source_of(std::shared_ptr<Kernel> kernel) {
    return [kernel = std::move(kernel)](std::span<std::byte> to) -> ssize_t {
        if (kernel->is_broken) {
            errno = ENOSYS;
            return -1;
        }
        const auto count = std::min(to.size(), kernel->most.load());
        if (count == 0) {
            errno = EAGAIN;
            return -1;
        }
        std::ranges::fill(to.first(count), random_byte);
        return static_cast<ssize_t>(count);
    };
}

class EntropyFuzz final : public fuzz::DeviceFuzz<EntropyDevice> {
  public:
    EntropyFuzz(fuzz::Input& input, std::shared_ptr<Kernel> kernel)
        : DeviceFuzz(input, source_of(kernel)), kernel_(std::move(kernel)) {}

  private:
    [[nodiscard]] fuzz::Request make_request(std::size_t) override {
        fuzz::Request request;
        if (input().rarely()) {
            request.parts.push_back({.readable = std::vector(1 + input().below(100), std::byte{'g'})});
        }
        const auto count = input().below(4);
        for (auto left = count; left > 0; --left) {
            request.parts.push_back({.writable = 1 + input().below(input().rarely() ? 50000 : 300)});
        }
        request.may_fault = count == 0;
        return request;
    }

    void host_step() override {
        kernel_->is_broken = input().rarely();
        kernel_->most = input().sometimes() ? SIZE_MAX : input().below(600);
    }

    [[nodiscard]] bool may_write(std::byte byte) const override { return byte == random_byte; }

    [[nodiscard]] bool works() override {
        kernel_->is_broken = false;
        kernel_->most = SIZE_MAX;
        return send(request_queue, {{.writable = 64}}) == 64 && latest(0) == std::vector(64, random_byte);
    }

    std::shared_ptr<Kernel> kernel_;
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::Input input(data, size);
    EntropyFuzz(input, std::make_shared<Kernel>()).run();
    return 0;
}
