// SPDX-License-Identifier: Apache-2.0
#include "zone/check_fit.hpp"

#include "zone/check_files.hpp"
#include "zone/check_zone.hpp"
#include "zone/zone_encoder.hpp"

#include <algorithm>
#include <format>
#include <iterator>
#include <sstream>
#include <utility>

namespace hvisor::zone {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> lines_of(const Error& error) {
    std::vector<std::string> lines;
    std::istringstream text(error.message);
    for (std::string line; std::getline(text, line);) {
        lines.push_back(std::move(line));
    }
    return lines;
}

class Fitting {
  public:
    Fitting(const Candidates& given, Surroundings around, fs::path here)
        : given_(given), around_(std::move(around)), here_(std::move(here)) {
        forget_given();
    }

    Findings take() {
        for (const std::string& name : given_.unread) {
            leave_out("{}: whether it fits this machine, as it has problems of its own", name);
        }
        for (const Candidate& candidate : given_.zones) {
            if (check_zone(candidate.zone)) {
                check(candidate);
            } else {
                leave_out("{}: whether zone {} fits this machine, as it has problems of its own",
                          candidate.zone.document.name(), candidate.zone.config.name);
            }
        }
        say_what_is_unknown();
        return std::move(findings_);
    }

  private:
    template <class... Values>
    void leave_out(std::format_string<Values...> format, Values&&... values) {
        findings_.left_out.push_back(std::format(format, std::forward<Values>(values)...));
    }
    /// A line each, and of the same once.
    void keep(const Error& error) {
        for (std::string& line : lines_of(error)) {
            if (!std::ranges::contains(findings_.problems, line)) {
                findings_.problems.push_back(std::move(line));
            }
        }
    }
    [[nodiscard]] bool is_given(std::uint32_t id, const std::string& name) const {
        return std::ranges::any_of(given_.zones, [&](const Candidate& candidate) {
            return candidate.zone.config.zone_id == id && candidate.zone.config.name == name;
        });
    }
    [[nodiscard]] bool runs(const ZoneConfig& zone) const {
        return std::ranges::contains(around_.machine.zones, zone.zone_id, &hypervisor::ZoneInfo::id);
    }
    void forget_given();
    void check(const Candidate& candidate);
    void check_configured(const Candidate& candidate, const Candidate& other);
    void say_what_is_unknown();

    const Candidates& given_;
    Surroundings around_;
    const fs::path here_;
    Findings findings_;
};

/// What the given zones are to take the place of is not in their way; what runs
/// of the configured zones is judged as such.
void Fitting::forget_given() {
    Machine& machine = around_.machine;
    std::erase_if(around_.configured, [this](const Candidate& other) {
        return runs(other.zone.config) || is_given(other.zone.config.zone_id, other.zone.config.name);
    });
    std::erase_if(machine.zones, [&](const hypervisor::ZoneInfo& zone) {
        const bool is_replaced = is_given(zone.id, zone.name);
        if (is_replaced) {
            std::erase_if(machine.claims, [&](const ZoneClaims& claims) { return claims.zone == zone.name; });
        }
        return is_replaced;
    });
}

void Fitting::check(const Candidate& candidate) {
    const auto layouts = around_.magic.and_then(
        [&](std::uint64_t magic) { return layouts_for_magic(magic, candidate.zone.config.arch); });
    if (!layouts) {
        keep(layouts.error());
    }
    if (const auto fits = check_machine(candidate.zone, candidate.has_devices ? &candidate.virtio : nullptr,
                                        around_.machine, here_);
        !fits) {
        keep(fits.error());
    }
    for (const Candidate& other : around_.configured) {
        check_configured(candidate, other);
    }
}

void Fitting::check_configured(const Candidate& candidate, const Candidate& other) {
    Problems zone_problems(candidate.zone.document);
    Problems device_problems(candidate.virtio.document);
    check_identity(candidate.zone.config, other.zone.config, zone_problems);
    check_claims(candidate.zone.config, candidate.devices(), candidate.folder(here_), other.claims(here_),
                 zone_problems, device_problems);
    const auto together = join(zone_problems.result(), device_problems.result());
    if (together) {
        return;
    }
    for (const std::string& line : lines_of(together.error())) {
        findings_.warnings.push_back(
            std::format("{}; zone {} is configured, and the two cannot run at the same time", line,
                        other.zone.config.name));
    }
}

void Fitting::say_what_is_unknown() {
    const Machine& machine = around_.machine;
    if (!machine.is_described) {
        leave_out("what memory is reserved for zones, and what memory and interrupts the root zone's Linux "
                  "uses, as hvisord sees no device tree of it");
    } else if (!machine.reserved) {
        leave_out("what memory is reserved for zones, which the parameter zone_ram tells the kernel module "
                  "alone");
    }
    if (machine.root.cpu_ids.empty()) {
        std::ranges::copy(left_to_machine(given_.zones), std::back_inserter(findings_.left_out));
    }
    for (const hypervisor::ZoneInfo& zone : machine.zones) {
        if (zone.id != 0 && !std::ranges::contains(machine.claims, zone.name, &ZoneClaims::zone)) {
            leave_out("what zone {} has besides its CPUs, as this hvisord did not start it", zone.name);
        }
    }
    for (const std::string& name : around_.unreadable) {
        leave_out("zone {}, which is configured, as its files have problems", name);
    }
}

} // namespace

Result<void> check_amount(std::span<const ConfigText> files) {
    std::size_t bytes = 0;
    for (const ConfigText& file : files) {
        bytes += file.name.size() + file.text.size();
    }
    if (files.size() > max_checked_files || bytes > max_checked_bytes) {
        return fail(ErrorCode::invalid_config,
                    "{} files with {} bytes are too much; expected at most {} with {}", files.size(), bytes,
                    max_checked_files, max_checked_bytes);
    }
    return {};
}

Findings check_fit(const Candidates& given, Surroundings around, const fs::path& here) {
    return Fitting(given, std::move(around), here).take();
}

} // namespace hvisor::zone
