// SPDX-License-Identifier: Apache-2.0
//
// What the compiler calls for copies and clears even without a library.
#include <cstddef>

extern "C" void* memcpy(void* to, const void* from, std::size_t size) {
    auto* out = static_cast<unsigned char*>(to);
    const auto* in = static_cast<const unsigned char*>(from);
    for (std::size_t i = 0; i < size; ++i) {
        out[i] = in[i];
    }
    return to;
}

extern "C" void* memset(void* to, int value, std::size_t size) {
    auto* out = static_cast<unsigned char*>(to);
    for (std::size_t i = 0; i < size; ++i) {
        out[i] = static_cast<unsigned char>(value);
    }
    return to;
}
