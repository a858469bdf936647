// SPDX-License-Identifier: Apache-2.0
#include "virgl/library.hpp"

#include <bit>
#include <cerrno>
#include <cstring>
#include <print>
#include <string_view>
#include <sys/uio.h>
#include <utility>

extern "C" { // which it leaves to who includes it
#include <virglrenderer.h>
}

// virglrenderer's own header for what crosses the border of a guest is not installed.
struct virgl_box {
    std::uint32_t x, y, z;
    std::uint32_t w, h, d;
};

namespace hvisor::virgl {
namespace {

/// Linux's names for capability sets (virtgpu_drm.h).
constexpr std::uint32_t capset_virgl = 1;
constexpr std::uint32_t capset_virgl2 = 2;

/// Places in struct virgl_caps_v2, which only ever grows.
constexpr std::size_t capability_bits_at = 392;
constexpr std::size_t capability_bits_v2_at = 688;
constexpr std::size_t renderer_at = 696;
constexpr std::size_t renderer_size = 64;

/// With these a driver has the renderer copy between guest memory and textures in the
/// middle of commands, of which nothing is known here nor in hvisord: the memory of the
/// guest is not there. Without them it asks for each copy (TRANSFER_TO_HOST_3D and
/// TRANSFER_FROM_HOST_3D), which Mesa does for renderers that are older than them.
constexpr std::uint32_t cap_transfer = 1U << 17;
constexpr std::uint32_t cap_copy_transfer = 1U << 26;
/// Buffers that stay mapped while the renderer uses them: memory that both see, which a zone
/// has not got.
constexpr std::uint32_t cap_buffer_storage = 1U << 31;
constexpr std::uint32_t cap_v2_copy_transfer_both_directions = 1U << 7;

/// The fence that the library has told of last, which it does by a callback.
std::optional<std::uint32_t> written_fence;

void note_fence(void* /*cookie*/, std::uint32_t fence) {
    written_fence = fence;
}

void log_line(virgl_log_level_flags level, const char* message, void* /*data*/) {
    if (level >= VIRGL_LOG_LEVEL_WARNING) {
        std::print(stderr, "hvisor-gpu-render: {}", message);
    }
}

void clear_bits(std::span<std::byte> bytes, std::size_t at, std::uint32_t bits) {
    if (bytes.size() >= at + sizeof bits) {
        std::uint32_t word = 0;
        std::memcpy(&word, bytes.data() + at, sizeof word);
        word &= ~bits;
        std::memcpy(bytes.data() + at, &word, sizeof word);
    }
}

/// The library says EINVAL and -EINVAL.
int positive(int error) {
    return error < 0 ? -error : error;
}

} // namespace

Result<Library> Library::start() {
    static virgl_renderer_callbacks callbacks{};
    callbacks.version = 1;
    callbacks.write_fence = note_fence;
    virgl_set_log_callback(log_line, nullptr, nullptr);
    constexpr int flags =
        VIRGL_RENDERER_USE_EGL | VIRGL_RENDERER_USE_SURFACELESS | VIRGL_RENDERER_THREAD_SYNC;
    static int cookie = 0; // it wants one
    if (const int error = virgl_renderer_init(&cookie, flags, &callbacks); error != 0) {
        return fail(ErrorCode::failed,
                    "virglrenderer finds nothing to draw with: install Mesa's EGL and a driver (libegl1, "
                    "libopengl0)");
    }
    Library library;
    library.read_capset(capset_virgl);
    library.read_capset(capset_virgl2);
    if (library.capsets_.empty()) {
        return fail(ErrorCode::failed, "virglrenderer has no capability set");
    }
    return library;
}

void Library::read_capset(std::uint32_t id) {
    std::uint32_t version = 0;
    std::uint32_t size = 0;
    virgl_renderer_get_cap_set(id, &version, &size);
    if (size == 0 || size > sizeof(render::CapsetBytes::bytes)) {
        return;
    }
    Capset capset{.id = id, .version = version, .bytes = std::vector<std::byte>(size)};
    virgl_renderer_fill_caps(id, version, capset.bytes.data());
    if (id == capset_virgl2) {
        clear_bits(capset.bytes, capability_bits_at, cap_transfer | cap_copy_transfer | cap_buffer_storage);
        clear_bits(capset.bytes, capability_bits_v2_at, cap_v2_copy_transfer_both_directions);
        if (size >= renderer_at + renderer_size) {
            const std::string_view name(reinterpret_cast<const char*>(capset.bytes.data() + renderer_at),
                                        renderer_size);
            name_ = name.substr(0, name.find('\0'));
        }
    }
    capsets_.push_back(std::move(capset));
}

int Library::create_context(std::uint32_t context, const std::string& name) {
    return positive(
        virgl_renderer_context_create(context, static_cast<std::uint32_t>(name.size()), name.c_str()));
}

void Library::destroy_context(std::uint32_t context) {
    virgl_renderer_context_destroy(context);
}

void Library::attach(std::uint32_t context, std::uint32_t resource) {
    virgl_renderer_ctx_attach_resource(std::bit_cast<int>(context), std::bit_cast<int>(resource));
}

void Library::detach(std::uint32_t context, std::uint32_t resource) {
    virgl_renderer_ctx_detach_resource(std::bit_cast<int>(context), std::bit_cast<int>(resource));
}

int Library::create_resource(std::uint32_t resource, const render::Shape& shape) {
    virgl_renderer_resource_create_args args{.handle = resource,
                                             .target = shape.target,
                                             .format = shape.format,
                                             .bind = shape.bind,
                                             .width = shape.width,
                                             .height = shape.height,
                                             .depth = shape.depth,
                                             .array_size = shape.array_size,
                                             .last_level = shape.last_level,
                                             .nr_samples = shape.samples,
                                             .flags = shape.flags};
    return positive(virgl_renderer_resource_create(&args, nullptr, 0));
}

void Library::destroy_resource(std::uint32_t resource) {
    virgl_renderer_resource_unref(resource);
}

int Library::set_backing(std::uint32_t resource, std::span<std::byte> memory) {
    // It keeps the pointer until clear_backing().
    auto* const piece = new iovec{.iov_base = memory.data(), .iov_len = memory.size()};
    const int error = positive(virgl_renderer_resource_attach_iov(std::bit_cast<int>(resource), piece, 1));
    if (error != 0) {
        delete piece;
    }
    return error;
}

void Library::clear_backing(std::uint32_t resource) {
    iovec* pieces = nullptr;
    int count = 0;
    virgl_renderer_resource_detach_iov(std::bit_cast<int>(resource), &pieces, &count);
    delete pieces;
}

int Library::transfer(const render::Transfer& transfer, std::span<std::byte> memory) {
    virgl_box box{.x = transfer.box.x,
                  .y = transfer.box.y,
                  .z = transfer.box.z,
                  .w = transfer.box.width,
                  .h = transfer.box.height,
                  .d = transfer.box.depth};
    iovec piece{.iov_base = memory.data(), .iov_len = memory.size()};
    return positive(transfer.is_from_resource != 0
                        ? virgl_renderer_transfer_read_iov(
                              transfer.resource, transfer.context, transfer.level, transfer.stride,
                              transfer.layer_stride, &box, transfer.offset, &piece, 1)
                        : virgl_renderer_transfer_write_iov(
                              transfer.resource, transfer.context, std::bit_cast<int>(transfer.level),
                              transfer.stride, transfer.layer_stride, &box, transfer.offset, &piece, 1));
}

int Library::submit(std::uint32_t context, std::span<std::uint32_t> commands) {
    return positive(virgl_renderer_submit_cmd(commands.data(), std::bit_cast<int>(context),
                                              static_cast<int>(commands.size())));
}

bool Library::fence(std::uint32_t ticket) {
    const auto number = last_fence_ + 1;
    if (virgl_renderer_create_fence(std::bit_cast<int>(number), 0) != 0) {
        return false;
    }
    last_fence_ = number;
    fences_.push_back({.number = number, .ticket = ticket});
    return true;
}

std::vector<std::uint32_t> Library::finished() {
    virgl_renderer_poll();
    std::vector<std::uint32_t> tickets;
    // Fences are written in order, and one stands for all before it.
    while (written_fence && !fences_.empty() &&
           std::bit_cast<std::int32_t>(*written_fence - fences_.front().number) >= 0) {
        tickets.push_back(fences_.front().ticket);
        fences_.pop_front();
    }
    return tickets;
}

int Library::wake_fd() const {
    return virgl_renderer_get_poll_fd();
}

} // namespace hvisor::virgl
