// SPDX-License-Identifier: Apache-2.0
#include "zone/images.hpp"

#include "base/checked.hpp"
#include "base/errno_text.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <format>
#include <optional>
#include <span>
#include <string_view>
#include <unistd.h>

namespace hvisor::zone {
namespace {

/// A large initrd does not have to fit into the root zone's memory.
constexpr std::size_t chunk_size = 1024UL * 1024;

/// The start of a file, where all that is recognised here is.
using Header = std::array<std::byte, 64>;

Result<std::size_t> read_at(int fd, std::uint64_t offset, std::span<std::byte> to) {
    std::size_t done = 0;
    while (done < to.size()) {
        const ssize_t count =
            ::pread(fd, to.data() + done, to.size() - done, static_cast<off_t>(offset + done));
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            return fail(ErrorCode::io_error, "{}", errno_text());
        }
        if (count == 0) {
            break;
        }
        done += static_cast<std::size_t>(count);
    }
    return done;
}

bool has(const Header& header, std::size_t offset, std::string_view magic) {
    return std::memcmp(header.data() + offset, magic.data(), magic.size()) == 0;
}

std::uint64_t load_u64(const Header& header, std::size_t offset) {
    std::uint64_t value = 0;
    for (std::size_t i = sizeof(value); i > 0; --i) {
        value = (value << 8U) | std::to_integer<std::uint64_t>(header[offset + i - 1]);
    }
    return value;
}

/// What a person took for a kernel though no CPU can start in it; "" for what
/// may be one. Raw binaries of other systems have no mark, so anything else may.
std::string_view packed_form(const Header& header) {
    using namespace std::string_view_literals;
    if (has(header, 0, "\x1f\x8b"sv)) {
        return "compressed with gzip; expected the kernel as gunzip unpacks it";
    }
    if (has(header, 0, "\x28\xb5\x2f\xfd"sv)) {
        return "compressed with zstd; expected the kernel as unzstd unpacks it";
    }
    if (has(header, 0, "MZ"sv) && has(header, 4, "zimg"sv)) {
        return "a compressed EFI image (zboot); expected the Image that is packed in it";
    }
    if (has(header, 0,
            "\x7f"
            "ELF"sv)) {
        return "an ELF file (vmlinux); expected the raw Image";
    }
    return {};
}

/// The architecture of a Linux Image, where its header has the mark of one.
constexpr std::size_t image_mark = 0x38;
bool is_arm64_image(const Header& header) {
    return has(header, image_mark, "ARMd");
}
bool is_riscv_image(const Header& header) {
    return has(header, image_mark, "RSC\x05");
}

void check_kernel(const ZoneConfig& zone, const Header& header, OpenImage& image, Problems& problems) {
    // Both architectures have the same header: image_size at 0x10 is 0 in kernels that do not know it.
    constexpr std::size_t image_size = 0x10;
    if (const std::string_view form = packed_form(header); !form.empty()) {
        problems.add(image.file.path_key, std::format("{} is {}", image.file.path, form));
        return;
    }
    const bool is_arm64 = is_arm64_image(header);
    const bool is_riscv = is_riscv_image(header);
    if ((is_arm64 && !std::holds_alternative<Aarch64Config>(zone.arch)) ||
        (is_riscv && !std::holds_alternative<Riscv64Config>(zone.arch))) {
        problems.add(image.file.path_key,
                     std::format("{} is a kernel for {}, which this zone's arch_config is not for",
                                 image.file.path, is_arm64 ? "arm64" : "riscv64"));
    }
    if (is_arm64 || is_riscv) {
        image.memory_size = std::max(image.size, load_u64(header, image_size));
    }
}

void check_form(const ZoneConfig& zone, OpenImage& image, Problems& problems) {
    Header header{};
    if (const auto count = read_at(image.fd.get(), 0, header); !count) {
        problems.add(image.file.path_key, std::format("{}: {}", image.file.path, count.error().message),
                     ErrorCode::io_error);
    } else if (image.file.role == ImageRole::kernel) {
        check_kernel(zone, header, image, problems);
    } else if (image.file.role == ImageRole::dtb && !has(header, 0, "\xd0\x0d\xfe\xed")) {
        problems.add(
            image.file.path_key,
            std::format("{} is no device tree blob; expected what dtc -O dtb writes", image.file.path));
    }
}

void check_place(const ZoneConfig& zone, const OpenImage& image, Problems& problems) {
    for (const MemoryRegion& region : zone.memory_regions) {
        // check_zone() has made sure that there is one region with the address.
        if (region.type != RegionType::ram ||
            !range_inside(image.file.load_paddr, 1, region.physical_start, region.size)) {
            continue;
        }
        const std::uint64_t room = region.size - (image.file.load_paddr - region.physical_start);
        if (image.memory_size > room) {
            problems.add(image.file.address_key,
                         std::format("{} takes {:#x} bytes from {:#x} on and the RAM region ends after "
                                     "{:#x}; load it lower, or "
                                     "enlarge the region",
                                     image.file.path, image.memory_size, image.file.load_paddr, room));
        }
        return;
    }
}

void check_overlaps(const std::vector<OpenImage>& images, Problems& problems) {
    for (std::size_t i = 0; i < images.size(); ++i) {
        for (std::size_t j = 0; j < i; ++j) {
            const OpenImage& one = images[i];
            const OpenImage& other = images[j];
            if (ranges_overlap(one.file.load_paddr, one.memory_size, other.file.load_paddr,
                               other.memory_size)) {
                problems.add(
                    one.file.address_key,
                    std::format("{} at {:#x}, size {:#x}, overlaps {} at {:#x}, size {:#x}; load them apart",
                                one.file.path, one.file.load_paddr, one.memory_size, other.file.path,
                                other.file.load_paddr, other.memory_size));
            }
        }
    }
}

Result<void> load_file(const OpenImage& image, std::span<std::byte> buffer,
                       hypervisor::Hypervisor& hypervisor) {
    for (std::uint64_t done = 0; done < image.size;) {
        const std::size_t length = std::min<std::uint64_t>(buffer.size(), image.size - done);
        const auto count = read_at(image.fd.get(), done, buffer.first(length));
        if (!count) {
            return std::unexpected(count.error());
        }
        if (*count != length) {
            return fail(ErrorCode::io_error, "the file became shorter while it was read");
        }
        if (auto loaded = hypervisor.load(image.file.load_paddr + done, buffer.first(length)); !loaded) {
            return loaded;
        }
        done += length;
    }
    return {};
}

} // namespace

Result<std::vector<OpenImage>> open_images(const ZoneFile& zone, const FileTable& files) {
    Problems problems(zone.document);
    std::vector<OpenImage> images;
    for (const ImageFile& file : zone.config.images) {
        auto open = open_file(files, zone.document, file.path, file.path_key, FileUse::image, problems);
        if (open) {
            images.push_back({file, std::move(open->fd), open->size, open->size});
            check_form(zone.config, images.back(), problems);
            check_place(zone.config, images.back(), problems);
        }
    }
    check_overlaps(images, problems);
    if (auto result = problems.result(); !result) {
        return std::unexpected(std::move(result).error());
    }
    return images;
}

ImageSizes image_sizes(const std::vector<OpenImage>& images) {
    ImageSizes sizes;
    for (const OpenImage& image : images) {
        if (image.file.role == ImageRole::kernel) {
            sizes.kernel = image.size;
        } else if (image.file.role == ImageRole::dtb) {
            sizes.dtb = image.size;
        } else if (image.file.role == ImageRole::initrd) {
            sizes.initrd = image.size;
        }
    }
    return sizes;
}

Result<void> load_images(const ZoneFile& zone, const std::vector<OpenImage>& images,
                         hypervisor::Hypervisor& hypervisor) {
    std::vector<std::byte> buffer(chunk_size);
    for (const OpenImage& image : images) {
        if (auto loaded = load_file(image, buffer, hypervisor); !loaded) {
            return std::unexpected(std::move(loaded).error().with_context(
                std::format("{}: loading {} to {:#x}", zone.document.locate(image.file.address_key),
                            image.file.path, image.file.load_paddr)));
        }
    }
    const auto* x86_64 = std::get_if<X8664Config>(&zone.config.arch);
    if (x86_64 != nullptr && x86_64->cmdline) {
        // With its terminating NUL.
        const std::span<const char> text(x86_64->cmdline->c_str(), x86_64->cmdline->size() + 1);
        if (auto loaded = hypervisor.load(x86_64->cmdline_load_hpa, std::as_bytes(text)); !loaded) {
            return std::unexpected(std::move(loaded).error().with_context(
                zone.document.locate("/arch_config/cmdline_load_hpa")));
        }
    }
    return {};
}

} // namespace hvisor::zone
