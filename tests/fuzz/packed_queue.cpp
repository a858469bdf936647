// SPDX-License-Identifier: Apache-2.0
#include "queue_fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    hvisor::fuzz::Input input(data, size);
    hvisor::fuzz::QueueFuzz(input, {hvisor::virtio::FeatureBit::ring_packed}).run();
    return 0;
}
