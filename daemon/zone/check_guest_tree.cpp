// SPDX-License-Identifier: Apache-2.0
#include "zone/check_guest_tree.hpp"

#include "base/errno_text.hpp"
#include "base/error_table.hpp"
#include "base/log.hpp"
#include "zone/check_device_tree.hpp"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <format>
#include <string>
#include <unistd.h>

namespace hvisor::zone {
namespace {

/// The file from its start, without moving the place from which it is loaded;
/// one byte more than a device tree can have shows that it is too large.
Result<std::vector<std::byte>> read_blob(const OpenImage& image) {
    std::vector<std::byte> blob(std::min<std::uint64_t>(image.size, max_device_tree_size + 1));
    for (std::size_t done = 0; done < blob.size();) {
        const ssize_t count =
            ::pread(image.fd.get(), &blob[done], blob.size() - done, static_cast<off_t>(done));
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            const int error = errno;
            return fail(error_code_of_errno(error), "{}", errno_text(error));
        }
        if (count == 0) { // somebody has cut it off meanwhile
            blob.resize(done);
        }
        done += static_cast<std::size_t>(count);
    }
    return blob;
}

} // namespace

Result<void> check_guest_tree(const ZoneFile& zone, std::span<const VirtioDevice> devices,
                              const std::vector<OpenImage>& images) {
    const auto image =
        std::ranges::find(images, ImageRole::dtb, [](const OpenImage& one) { return one.file.role; });
    if (image == images.end() || zone.start.dtb != DtbSource::file) {
        return {};
    }
    Problems problems(zone.document);
    if (const auto blob = read_blob(*image)) {
        check_device_tree(zone, devices, *blob, problems);
    } else {
        problems.add(image->file.path_key, std::format("{}: {}", image->file.path, blob.error().message),
                     blob.error().code);
    }
    for (const std::string& warning : problems.warnings()) {
        log::warning("{}", warning);
    }
    return problems.result();
}

} // namespace hvisor::zone
