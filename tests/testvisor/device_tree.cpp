// SPDX-License-Identifier: Apache-2.0
#include "device_tree.hpp"

namespace testvisor {
namespace {

constexpr std::uint32_t magic = 0xd00dfeed;
constexpr std::uint32_t token_begin_node = 1;
constexpr std::uint32_t token_end_node = 2;
constexpr std::uint32_t token_property = 3;
constexpr std::uint32_t token_nop = 4;

struct Header {
    std::uint32_t magic;
    std::uint32_t total_size;
    std::uint32_t structure;
    std::uint32_t strings;
};

std::uint32_t big_endian(std::uint32_t value) {
    return __builtin_bswap32(value);
}

bool same(const char* a, const char* b) {
    while (*a != '\0' && *a == *b) {
        ++a;
        ++b;
    }
    return *a == *b;
}

std::uint32_t words(std::uint32_t bytes) {
    return (bytes + 3) / 4;
}

std::uint32_t length(const char* text) {
    std::uint32_t size = 0;
    while (text[size] != '\0') {
        ++size;
    }
    return size;
}

} // namespace

Text chosen_property(const void* tree, const char* name) {
    const auto* base = static_cast<const char*>(tree);
    const auto* header = static_cast<const Header*>(tree);
    if (big_endian(header->magic) != magic) {
        return {nullptr, 0};
    }
    const auto* at = reinterpret_cast<const std::uint32_t*>(base + big_endian(header->structure));
    const auto* end = reinterpret_cast<const std::uint32_t*>(base + big_endian(header->total_size));
    const char* strings = base + big_endian(header->strings);
    unsigned depth = 0;
    bool in_chosen = false;
    while (at < end) {
        const std::uint32_t token = big_endian(*at++);
        if (token == token_begin_node) {
            const auto* node = reinterpret_cast<const char*>(at);
            ++depth;
            in_chosen = depth == 2 && same(node, "chosen");
            at += words(length(node) + 1);
        } else if (token == token_end_node) {
            --depth;
            in_chosen = false;
        } else if (token == token_property) {
            const std::uint32_t size = big_endian(at[0]);
            const char* property = strings + big_endian(at[1]);
            at += 2;
            if (in_chosen && same(property, name)) {
                return {reinterpret_cast<const char*>(at), size};
            }
            at += words(size);
        } else if (token != token_nop) {
            break;
        }
    }
    return {nullptr, 0};
}

} // namespace testvisor
