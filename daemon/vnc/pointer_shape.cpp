// SPDX-License-Identifier: Apache-2.0
#include "vnc/pointer_shape.hpp"

#include "vnc/frame.hpp"

#include <cstdlib>
#include <cstring>
#include <new>
#include <rfb/rfb.h>

namespace hvisor::vnc {
namespace {

/// libvncserver frees it.
unsigned char* allocate(std::size_t bytes) {
    void* memory = std::calloc(bytes, 1); // NOLINT(cppcoreguidelines-no-malloc)
    if (memory == nullptr) {
        throw std::bad_alloc();
    }
    return static_cast<unsigned char*>(memory);
}

} // namespace

rfbCursor* make_pointer_shape(const viewer::Cursor& cursor) {
    constexpr std::size_t side = viewer::Cursor::side;
    auto* shape = reinterpret_cast<rfbCursor*>(allocate(sizeof(rfbCursor)));
    shape->cleanup = shape->cleanupSource = shape->cleanupMask = shape->cleanupRichSource = TRUE;
    shape->width = shape->height = static_cast<unsigned short>(side);
    shape->xhot = static_cast<unsigned short>(cursor.hot_x < side ? cursor.hot_x : 0);
    shape->yhot = static_cast<unsigned short>(cursor.hot_y < side ? cursor.hot_y : 0);
    shape->richSource = allocate(cursor.pixels.size());
    std::memcpy(shape->richSource, cursor.pixels.data(), cursor.pixels.size());
    shape->alphaSource = allocate(side * side);
    for (std::size_t i = 0; i < side * side; ++i) {
        shape->alphaSource[i] = std::to_integer<unsigned char>(cursor.pixels.at(bytes_per_pixel * i + 3));
    }
    shape->alphaPreMultiplied = TRUE;
    shape->mask = reinterpret_cast<unsigned char*>(
        rfbMakeMaskFromAlphaSource(static_cast<int>(side), static_cast<int>(side), shape->alphaSource));
    return shape;
}

} // namespace hvisor::vnc
