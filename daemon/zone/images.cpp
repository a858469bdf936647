// SPDX-License-Identifier: Apache-2.0
#include "zone/images.hpp"

#include "base/checked.hpp"
#include "base/mapping.hpp"
#include "zone/device_tree.hpp"
#include "zone/kernel_form.hpp"
#include "zone/zone_device_tree.hpp"

#include <algorithm>
#include <array>
#include <format>
#include <span>
#include <utility>

namespace hvisor::zone {
namespace {

/// A large initrd does not have to fit into the root zone's memory.
constexpr std::size_t chunk_size = 256UL * 1024;

/// What is cleared between two reports of progress.
constexpr std::uint64_t clear_size = 16UL * 1024 * 1024;

constexpr std::uint32_t device_tree_magic = 0xd00dfeed;

Result<void> check_device_tree(const OpenImage& image) {
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
        sound = check_device_tree(image);
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

/// Clears RAM, and loads one image after the other through one buffer.
class Loader {
  public:
    Loader(hypervisor::Hypervisor& hypervisor, const LoadProgress& progress, std::uint64_t total)
        : hypervisor_(hypervisor), progress_(progress), total_(total) {}

    Result<void> clear(const MemoryRegion& region) {
        for (std::uint64_t done = 0; done < region.size;) {
            const std::uint64_t part = std::min(clear_size, region.size - done);
            if (auto cleared = hypervisor_.clear(region.physical_start + done, part); !cleared) {
                return cleared;
            }
            done += part;
            done_ += part;
            tell(done_);
        }
        return {};
    }

    Result<void> load(const OpenImage& image) {
        if (!image.made.empty()) {
            done_ += image.made.size();
            return hypervisor_.load(image.file.load_paddr, image.made);
        }
        if (!buffer_) {
            auto buffer = Mapping::anonymous(chunk_size);
            if (!buffer) {
                return std::unexpected(std::move(buffer).error());
            }
            buffer_ = std::move(*buffer);
        }
        auto source = open_source(image.payload());
        return source ? load(image, **source) : std::unexpected(std::move(source).error());
    }

  private:
    Result<void> load(const OpenImage& image, ImageSource& source) {
        std::uint64_t loaded = 0;
        for (bool is_more = true; is_more;) {
            const auto count = source.read({buffer_.data(), buffer_.size()});
            if (!count) {
                return std::unexpected(count.error());
            }
            // What is packed in a file may be of any size.
            if (*count > image.memory_size - loaded) {
                return fail(ErrorCode::invalid_config,
                            "it unpacks to more than the {:#x} bytes that its header says",
                            image.memory_size);
            }
            is_more = *count == buffer_.size();
            if (*count != 0) {
                if (auto done = hypervisor_.load(image.file.load_paddr + loaded, {buffer_.data(), *count});
                    !done) {
                    return done;
                }
            }
            loaded += *count;
            tell(done_ + source.used());
        }
        done_ += image.size;
        return {};
    }

    void tell(std::uint64_t done) const {
        if (progress_) {
            progress_(std::min(done, total_), total_);
        }
    }

    hypervisor::Hypervisor& hypervisor_;
    const LoadProgress& progress_;
    std::uint64_t total_;
    std::uint64_t done_ = 0;
    Mapping buffer_;
};

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

Result<void> load_images(const ZoneFile& zone, const std::vector<OpenImage>& images,
                         hypervisor::Hypervisor& hypervisor, const LoadProgress& progress) {
    std::uint64_t total = 0;
    for (const OpenImage& image : images) {
        total += image.size;
    }
    std::vector<const MemoryRegion*> cleared;
    for (const MemoryRegion& region : zone.config.memory_regions) {
        if (zone.start.clear_ram && region.type == RegionType::ram) {
            cleared.push_back(&region);
            total += region.size;
        }
    }
    Loader loader(hypervisor, progress, total);
    for (const MemoryRegion* region : cleared) {
        if (auto done = loader.clear(*region); !done) {
            return std::unexpected(std::move(done).error().with_context(zone.document.locate("/clear_ram")));
        }
    }
    for (const OpenImage& image : images) {
        if (auto loaded = loader.load(image); !loaded) {
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
