// SPDX-License-Identifier: Apache-2.0
#include "zone/load_images.hpp"

#include "base/mapping.hpp"
#include "zone/check_zone.hpp"
#include "zone/image_source.hpp"

#include <algorithm>
#include <format>
#include <span>
#include <utility>

namespace hvisor::zone {
namespace {

/// A large initrd does not have to fit into the root zone's memory.
constexpr std::size_t chunk_size = 256UL * 1024;

/// What is cleared between two reports of progress.
constexpr std::uint64_t clear_size = 16UL * 1024 * 1024;

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
            if (auto go_on = tell(done_); !go_on) {
                return go_on;
            }
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
            if (auto go_on = tell(done_ + source.used()); !go_on) {
                return go_on;
            }
        }
        done_ += image.size;
        return {};
    }

    [[nodiscard]] Result<void> tell(std::uint64_t done) const {
        return progress_ ? progress_(std::min(done, total_), total_) : Result<void>();
    }

    hypervisor::Hypervisor& hypervisor_;
    const LoadProgress& progress_;
    std::uint64_t total_;
    std::uint64_t done_ = 0;
    Mapping buffer_;
};

} // namespace

Result<void> load_images(const ZoneFile& zone, const std::vector<OpenImage>& images,
                         hypervisor::Hypervisor& hypervisor, const LoadProgress& progress) {
    std::uint64_t total = 0;
    for (const OpenImage& image : images) {
        total += image.size;
    }
    std::vector<const MemoryRegion*> cleared;
    for (const MemoryRegion& region : zone.config.memory_regions) {
        if (zone.start.clear_ram && region.type == RegionType::ram && !is_firmware(zone.config, region)) {
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
    return {};
}

} // namespace hvisor::zone
