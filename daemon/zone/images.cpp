// SPDX-License-Identifier: Apache-2.0
#include "zone/images.hpp"

#include "base/checked.hpp"
#include "zone/check_zone.hpp"
#include "zone/device_tree.hpp"
#include "zone/kernel_form.hpp"
#include "zone/zone_device_tree.hpp"

#include <algorithm>
#include <array>
#include <format>
#include <iterator>
#include <span>
#include <utility>

namespace hvisor::zone {
namespace {

constexpr std::uint32_t device_tree_magic = 0xd00dfeed;

Result<void> check_tree_image(const OpenImage& image) {
    auto source = open_source(image.payload());
    if (!source) {
        return std::unexpected(std::move(source).error());
    }
    std::array<std::byte, sizeof device_tree_magic> start{};
    if (const auto count = (*source)->read(start); !count) {
        return std::unexpected(count.error());
    }
    std::uint32_t magic = 0;
    for (const std::byte byte : start) {
        magic = (magic << 8U) | std::to_integer<std::uint32_t>(byte);
    }
    if (magic != device_tree_magic) {
        return fail(ErrorCode::invalid_config, "it is no device tree blob; expected what dtc -O dtb writes");
    }
    return {};
}

Result<void> check_kernel(const ZoneConfig& zone, OpenImage& image) {
    const auto form = recognise_kernel(image.payload(), zone.arch);
    if (!form) {
        return std::unexpected(form.error());
    }
    image.packing = form->payload.packing;
    image.offset = form->payload.offset;
    image.size = form->payload.size;
    image.memory_size = form->memory_size;
    return {};
}

void check_form(const ZoneConfig& zone, OpenImage& image, Problems& problems) {
    Result<void> sound;
    if (image.file.role == ImageRole::kernel) {
        sound = check_kernel(zone, image);
    } else if (image.file.role == ImageRole::dtb) {
        sound = check_tree_image(image);
    }
    if (!sound) {
        problems.add(image.file.path_key, std::format("{}: {}", image.file.path, sound.error().message),
                     sound.error().code);
    }
}

void check_place(const ZoneConfig& zone, const OpenImage& image, Problems& problems) {
    for (const MemoryRegion& region : zone.memory_regions) {
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
    // check_zone() has looked at the files; what is made has no other place to be found out.
    problems.add(image.file.address_key,
                 std::format("{} at {:#x} lies in no RAM region; expected an address in one", image.file.path,
                             image.file.load_paddr));
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

/// What x86_64's boot stub reads lies in RAM as an image does; with its terminating NUL.
void add_cmdline(const ZoneConfig& zone, std::vector<OpenImage>& images) {
    const auto* x86_64 = std::get_if<X8664Config>(&zone.arch);
    if (x86_64 == nullptr || !x86_64->cmdline) {
        return;
    }
    OpenImage image{.file = {.role = ImageRole::cmdline,
                             .path = "the command line",
                             .load_paddr = x86_64->cmdline_load_hpa,
                             .path_key = "/arch_config/cmdline",
                             .address_key = "/arch_config/cmdline_load_hpa"},
                    .fd = {}};
    const std::span<const char> text(x86_64->cmdline->c_str(), x86_64->cmdline->size() + 1);
    std::ranges::copy(std::as_bytes(text), std::back_inserter(image.made));
    image.size = image.memory_size = image.made.size();
    images.push_back(std::move(image));
}

/// A guest that starts beside its kernel runs whatever the RAM holds there.
void check_entry(const ZoneConfig& zone, const std::vector<OpenImage>& images, Problems& problems) {
    const auto starts_in = [&zone](const OpenImage& image) {
        return std::ranges::any_of(zone.memory_regions, [&](const MemoryRegion& region) {
            return region.type == RegionType::ram &&
                   range_inside(image.file.load_paddr, 1, region.physical_start, region.size) &&
                   range_inside(zone.entry_point, 1,
                                region.virtual_start + (image.file.load_paddr - region.physical_start),
                                image.memory_size);
        });
    };
    const auto kernel =
        std::ranges::find(images, ImageRole::kernel, [](const OpenImage& image) { return image.file.role; });
    if (kernel == images.end() || !has_plain_entry(zone) || std::ranges::any_of(images, starts_in)) {
        return; // without a kernel of ours somebody else has put one there
    }
    problems.add("/entry_point",
                 std::format("{:#x} is the guest's address of none of the images; expected one in {}, which "
                             "is loaded to the physical address {:#x}",
                             zone.entry_point, kernel->file.path, kernel->file.load_paddr));
}

std::uint64_t size_of(const std::vector<OpenImage>& images, ImageRole role) {
    const auto found =
        std::ranges::find(images, role, [](const OpenImage& image) { return image.file.role; });
    return found == images.end() ? 0 : found->size;
}

/// Put the device tree that is made for the zone in the place of its source, or beside the other images.
Result<void> make_tree(const ZoneFile& zone, std::vector<OpenImage>& images) {
    auto image =
        std::ranges::find(images, ImageRole::dtb, [](const OpenImage& each) { return each.file.role; });
    std::vector<std::byte> source;
    if (zone.start.dtb == DtbSource::patch) {
        auto blob = read_device_tree(*image);
        if (!blob) {
            return std::unexpected(std::move(blob).error().with_context(
                std::format("{}: {}", zone.document.locate(image->file.path_key), image->file.path)));
        }
        source = std::move(*blob);
    } else {
        images.push_back({.file = {.role = ImageRole::dtb,
                                   .path = "the generated device tree",
                                   .load_paddr = zone.config.dtb_load_paddr,
                                   .path_key = "/dtb",
                                   .address_key = "/dtb_load_paddr"},
                          .fd = {}});
        image = std::prev(images.end());
    }
    auto tree = zone_device_tree(zone, source, size_of(images, ImageRole::initrd));
    if (!tree) {
        return std::unexpected(std::move(tree).error());
    }
    image->made = std::move(*tree);
    image->size = image->memory_size = image->made.size();
    return {};
}

} // namespace

Result<std::vector<OpenImage>> open_images(const ZoneFile& zone, const FileTable& files) {
    Problems problems(zone.document);
    std::vector<OpenImage> images;
    for (const ImageFile& file : zone.config.images) {
        auto open = open_file(files, zone.document, file.path, file.path_key, FileUse::image, problems);
        if (open) {
            images.push_back(
                {.file = file, .fd = std::move(open->fd), .size = open->size, .memory_size = open->size});
            check_form(zone.config, images.back(), problems);
        }
    }
    add_cmdline(zone.config, images);
    const bool makes_tree = zone.start.dtb == DtbSource::patch || zone.start.dtb == DtbSource::generate;
    if (makes_tree && problems.empty()) {
        if (auto made = make_tree(zone, images); !made) {
            return std::unexpected(std::move(made).error());
        }
    }
    for (const OpenImage& image : images) {
        check_place(zone.config, image, problems);
    }
    check_overlaps(images, problems);
    if (problems.empty()) {
        check_entry(zone.config, images, problems);
    }
    if (auto result = problems.result(); !result) {
        return std::unexpected(std::move(result).error());
    }
    return images;
}

Result<std::vector<std::byte>> read_device_tree(const OpenImage& image) {
    std::vector<std::byte> blob(std::min<std::uint64_t>(image.size, max_device_tree_size + 1));
    return open_source(image.payload())
        .and_then([&](const auto& source) { return source->read(blob); })
        .transform([&](std::size_t) { return std::move(blob); });
}

ImageSizes image_sizes(const std::vector<OpenImage>& images) {
    ImageSizes sizes;
    for (const OpenImage& image : images) {
        if (image.file.role == ImageRole::kernel) {
            sizes.kernel = image.packing == Packing::none ? image.size : image.memory_size;
        } else if (image.file.role == ImageRole::dtb) {
            sizes.dtb = image.size;
        } else if (image.file.role == ImageRole::initrd) {
            sizes.initrd = image.size;
        }
    }
    return sizes;
}

} // namespace hvisor::zone
