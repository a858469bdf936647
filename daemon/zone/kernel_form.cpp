// SPDX-License-Identifier: Apache-2.0
#include "zone/kernel_form.hpp"

#include "base/checked.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <string_view>

namespace hvisor::zone {
namespace {

using namespace std::string_view_literals;

/// The start of a file, as far as anything recognised here has a mark; zeros behind a short one.
using Header = std::array<std::byte, 0x240>;

bool has(const Header& header, std::size_t offset, std::string_view magic) {
    return std::memcmp(header.data() + offset, magic.data(), magic.size()) == 0;
}

template <class T>
T load(const Header& header, std::size_t offset) {
    T value = 0;
    for (std::size_t i = sizeof(value); i > 0; --i) {
        value = static_cast<T>((value << 8U) | std::to_integer<T>(header[offset + i - 1]));
    }
    return value;
}

Result<Header> read_header(const ImagePayload& payload) {
    Header header{};
    auto source = open_source(payload);
    if (!source) {
        return std::unexpected(std::move(source).error());
    }
    if (const auto count = (*source)->read(header); !count) {
        return std::unexpected(count.error());
    }
    return header;
}

Packing packing_of(const Header& header) {
    if (has(header, 0, "\x1f\x8b"sv)) {
        return Packing::gzip;
    }
    return has(header, 0, "\x28\xb5\x2f\xfd"sv) ? Packing::zstd : Packing::none;
}

/// An EFI image that unpacks the kernel in it (Linux, drivers/firmware/efi/libstub/zboot-header.S).
bool is_zboot(const Header& header) {
    return has(header, 0, "MZ"sv) && has(header, 4, "zimg"sv);
}

Result<ImagePayload> zboot_payload(const ImagePayload& file, const Header& header) {
    constexpr std::size_t type_at = 0x18;
    constexpr std::size_t type_size = 32;
    const auto offset = load<std::uint32_t>(header, 0x08);
    const auto size = load<std::uint32_t>(header, 0x0c);
    const auto* text = reinterpret_cast<const char*>(header.data() + type_at);
    const std::string_view type(text, ::strnlen(text, type_size));
    if (!type.starts_with("gzip") && !type.starts_with("zstd")) {
        return fail(ErrorCode::invalid_config, "it is a compressed EFI image (zboot) that neither gzip nor "
                                               "zstd unpacks; expected the Image that is packed in it");
    }
    if (!range_inside(offset, size, 0, file.size)) {
        return fail(ErrorCode::invalid_config,
                    "it is a compressed EFI image (zboot) that ends too early; copy the file once more");
    }
    return ImagePayload{.fd = file.fd,
                        .offset = file.offset + offset,
                        .size = size,
                        .packing = type.starts_with("gzip") ? Packing::gzip : Packing::zstd};
}

/// The architecture of a Linux kernel, where its header has the mark of one.
std::optional<std::string_view> linux_architecture(const Header& header) {
    // arm64, riscv64 and loongarch64 share the header; the last has the mark that says where its PE header
    // is.
    constexpr std::size_t image_mark = 0x38;
    constexpr std::size_t bzimage_mark = 0x202;
    if (has(header, image_mark, "ARMd"sv)) {
        return "arm64";
    }
    if (has(header, image_mark, "RSC\x05"sv)) {
        return "riscv64";
    }
    if (has(header, 0, "MZ"sv) && has(header, image_mark, "\xcd\x23\x82\x81"sv)) {
        return "loongarch64";
    }
    return has(header, bzimage_mark, "HdrS"sv) ? std::optional("x86_64"sv) : std::nullopt;
}

std::string_view name_of(const ArchConfig& arch) {
    constexpr std::array<std::string_view, std::variant_size_v<ArchConfig>> names{"arm64", "riscv64",
                                                                                  "loongarch64", "x86_64"};
    return names.at(arch.index());
}

} // namespace

Result<KernelForm> recognise_kernel(const ImagePayload& file, const ArchConfig& arch) {
    KernelForm form{.payload = file, .memory_size = file.size};
    auto header = read_header(file);
    if (!header) {
        return std::unexpected(std::move(header).error());
    }
    if (is_zboot(*header)) {
        const auto payload = zboot_payload(file, *header);
        if (!payload) {
            return std::unexpected(payload.error());
        }
        form.payload = *payload;
    } else {
        form.payload.packing = packing_of(*header);
    }
    const bool is_packed = form.payload.packing != Packing::none;
    if (is_packed) {
        header = read_header(form.payload);
        if (!header) {
            return std::unexpected(std::move(header).error());
        }
    }
    if (has(*header, 0,
            "\x7f"
            "ELF"sv)) {
        return fail(ErrorCode::invalid_config, "it is an ELF file (vmlinux); expected the raw Image");
    }
    const auto architecture = linux_architecture(*header);
    if (architecture && *architecture != name_of(arch)) {
        return fail(ErrorCode::invalid_config, "it is a kernel for {}, and the zone's arch_config is for {}",
                    *architecture, name_of(arch));
    }
    // 0 in old kernels; bzImages have something else there.
    const std::uint64_t image_size =
        architecture && *architecture != "x86_64" ? load<std::uint64_t>(*header, 0x10) : 0;
    if (is_packed && image_size == 0) {
        // A size that nobody has told would have to be believed when it is there.
        return fail(ErrorCode::invalid_config, "it is compressed, and what is in it has no header that says "
                                               "how large it is; expected it unpacked");
    }
    form.memory_size = is_packed ? image_size : std::max(file.size, image_size);
    return form;
}

} // namespace hvisor::zone
