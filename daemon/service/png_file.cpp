// SPDX-License-Identifier: Apache-2.0
#include "service/png_file.hpp"

#include "base/errno_text.hpp"

#include <png.h>

#include <cstddef>
#include <cstdio>
#include <fcntl.h>
#include <memory>
#include <span>
#include <sys/mman.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace hvisor::service {
namespace {

using devices::gpu::bytes_per_pixel;

/// Blue, green and red, without the byte that nobody looks at, which a viewer
/// would take for transparency.
std::vector<std::byte> colours(std::span<const std::byte> pixels) {
    std::vector<std::byte> packed;
    packed.reserve(pixels.size() / bytes_per_pixel * 3);
    for (std::size_t at = 0; at + bytes_per_pixel <= pixels.size(); at += bytes_per_pixel) {
        const auto colour = pixels.subspan(at, 3);
        packed.insert(packed.end(), colour.begin(), colour.end());
    }
    return packed;
}

struct Close {
    void operator()(std::FILE* file) const { static_cast<void>(std::fclose(file)); }
};

/// Through libpng's simplified interface, whose errors are values and not jumps.
Result<void> write_png(const devices::gpu::Screenshot& picture, int fd) {
    UniqueFd copy(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
    const std::unique_ptr<std::FILE, Close> file(copy ? ::fdopen(copy.get(), "wb") : nullptr);
    if (!file) {
        return fail(ErrorCode::io_error, "picture: {}", errno_text());
    }
    static_cast<void>(copy.release()); // the stream closes it
    png_image image{};
    image.version = PNG_IMAGE_VERSION;
    image.width = picture.size.width;
    image.height = picture.size.height;
    image.format = PNG_FORMAT_BGR;
    image.flags = PNG_IMAGE_FLAG_FAST; // who waits is a person
    const auto packed = colours(picture.pixels);
    const bool is_written = png_image_write_to_stdio(&image, file.get(), 0, packed.data(), 0, nullptr) != 0;
    if (!is_written || std::fflush(file.get()) != 0) {
        return fail(ErrorCode::io_error, "picture: {}", is_written ? errno_text() : image.message);
    }
    return {};
}

} // namespace

Result<UniqueFd> png_file(const devices::gpu::Screenshot& picture) {
    UniqueFd file(::memfd_create("screenshot.png", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!file) {
        return fail(ErrorCode::io_error, "picture: {}", errno_text());
    }
    if (auto written = write_png(picture, file.get()); !written) {
        return std::unexpected(std::move(written).error());
    }
    constexpr int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;
    if (::lseek(file.get(), 0, SEEK_SET) != 0 || ::fcntl(file.get(), F_ADD_SEALS, seals) != 0) {
        return fail(ErrorCode::io_error, "picture: {}", errno_text());
    }
    return file;
}

} // namespace hvisor::service
