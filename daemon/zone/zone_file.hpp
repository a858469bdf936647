// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "zone/json_document.hpp"
#include "zone/problems.hpp"
#include "zone/virtio_config.hpp"
#include "zone/zone_config.hpp"

#include <optional>
#include <string>
#include <vector>

namespace hvisor::zone {

/// Where the device tree that the guest gets comes from.
enum class DtbSource {
    none,     ///< the guest gets none
    file,     ///< the file, as it is
    patch,    ///< the file, made to agree with the zone
    generate, ///< made of the zone's description; there is no file
};

/// What is done when a zone has ended.
enum class RestartPolicy { never, on_failure, always };

/// How a zone is started and kept. Only the one-file form says it; upstream's
/// means what the members are set to here, with the device tree from its file.
struct StartOptions {
    DtbSource dtb = DtbSource::none;
    std::string cmdline; ///< of the kernel, for a patched or generated device tree; "" leaves it as it is
    RestartPolicy restart = RestartPolicy::never;
    bool clear_ram = false; ///< before the images are loaded
};

/// A zone JSON, of upstream's form or of the one-file form: the model and the text it came from.
struct ZoneFile {
    JsonDocument document;
    Form form = Form::upstream;
    ZoneConfig config;
    std::vector<VirtioDevice> devices; ///< of the one-file form; upstream's are in a virtio JSON
    StartOptions start;
    std::vector<std::string> warnings; ///< "FILE:LINE:COLUMN: /json/pointer: what", in order
};

/// A zone JSON has the one-file form when there is a key "devices" at its top,
/// in whatever case; upstream's never has it.
[[nodiscard]] Form form_of(const JsonDocument& document);

/// Read a zone JSON. The error holds every problem found, a line each.
[[nodiscard]] Result<ZoneFile> read_zone_file(const ConfigText& text);
[[nodiscard]] Result<ZoneFile> read_zone_file(JsonDocument document);

/// The devices of a one-file zone as the virtio JSON that would say the same.
[[nodiscard]] VirtioFile own_devices(const ZoneFile& zone);

} // namespace hvisor::zone
