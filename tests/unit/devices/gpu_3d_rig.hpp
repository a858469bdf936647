// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "gpu_rig.hpp"

#include <initializer_list>
#include <optional>
#include <utility>
#include <vector>

namespace hvisor::devices::gpu {

/// A driver of three dimensions.
struct Rig3d : GpuRig {
    explicit Rig3d(RendererSettings settings, RigOptions base = {})
        : GpuRig(three(std::move(base), std::move(settings))) {}

    static RigOptions three(RigOptions base, RendererSettings settings) {
        base.features = base.features | virtio::FeatureSet{f_virgl};
        base.renderer = std::move(settings);
        return base;
    }

    /// A command of a context.
    template <class... Parts>
    [[nodiscard]] static std::vector<std::byte> of_context(Command type, std::uint32_t context,
                                                           std::optional<std::uint64_t> fence,
                                                           const Parts&... parts) {
        auto bytes = fenced_request(type, fence, parts...);
        Header header{};
        std::memcpy(&header, bytes.data(), sizeof header);
        header.ctx_id = context;
        std::memcpy(bytes.data(), &header, sizeof header);
        return bytes;
    }
    [[nodiscard]] static std::vector<std::byte> create_context(std::uint32_t context) {
        return of_context(Command::ctx_create, context, {},
                          CtxCreate{.nlen = 4, .context_init = 0, .debug_name = {'t', 'e', 's', 't', 'X'}});
    }
    [[nodiscard]] static ResourceCreate3d flat(std::uint32_t id, Size size,
                                               Format format = Format::b8g8r8x8_unorm) {
        return {.resource_id = id,
                .target = 2,
                .format = std::to_underlying(format),
                .bind = (1U << 1U) | (1U << 18U), // a render target for a scanout
                .width = size.width,
                .height = size.height,
                .depth = 1,
                .array_size = 1,
                .last_level = 0,
                .nr_samples = 0,
                .flags = 1, // Y_0_TOP
                .padding = 0};
    }
    [[nodiscard]] static ResourceCreate3d buffer(std::uint32_t id, std::uint32_t bytes) {
        auto shape = flat(id, {.width = bytes, .height = 1});
        shape.target = 0;
        shape.format = 64; // R8_UNORM
        shape.bind = 1U << 4U;
        shape.flags = 0;
        return shape;
    }
    [[nodiscard]] static TransferHost3d part_of(std::uint32_t id, const Rect& part, std::uint64_t offset) {
        return {
            .box = {.x = part.x, .y = part.y, .z = 0, .width = part.width, .height = part.height, .depth = 1},
            .offset = offset,
            .resource_id = id,
            .level = 0,
            .stride = 0,
            .layer_stride = 0};
    }
    [[nodiscard]] static std::vector<std::byte> submit(std::uint32_t context,
                                                       const std::vector<std::uint32_t>& words,
                                                       std::optional<std::uint64_t> fence = {}) {
        auto bytes = of_context(Command::submit_3d, context, fence,
                                Submit3d{.size = static_cast<std::uint32_t>(4 * words.size()), .padding = 0});
        const auto more = std::as_bytes(std::span(words));
        bytes.insert(bytes.end(), more.begin(), more.end());
        return bytes;
    }
    /// Sends it and says how it ended; somebody else carries it out.
    [[nodiscard]] Response ask(const std::vector<std::byte>& bytes) { return send(bytes).type(); }
    /// The bytes that guest memory has there.
    [[nodiscard]] std::vector<std::byte> look(const std::vector<MemoryEntry>& entries) const {
        std::vector<std::byte> all;
        for (const auto& entry : entries) {
            const auto bytes = ram.read(entry.addr, entry.length);
            all.insert(all.end(), bytes.begin(), bytes.end());
        }
        return all;
    }
};

} // namespace hvisor::devices::gpu
