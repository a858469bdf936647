// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "zone/image_source.hpp"
#include "zone/zone_config.hpp"

#include <cstdint>

namespace hvisor::zone {

/// A kernel that a zone can start in.
struct KernelForm {
    ImagePayload payload;          ///< what of the file goes into RAM, and how it is packed
    std::uint64_t memory_size = 0; ///< what it takes when it runs: its header says so, with its bss
};

/// Recognise a kernel: Linux for the architecture of the zone, as it is or
/// packed by gzip or zstd, alone or in an EFI image (zboot); or a raw binary of
/// another system, which has no mark at all. The error says, without the
/// file's name, what is wrong with it and what was expected.
[[nodiscard]] Result<KernelForm> recognise_kernel(const ImagePayload& file, const ArchConfig& arch);

} // namespace hvisor::zone
