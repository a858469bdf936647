// SPDX-License-Identifier: Apache-2.0
#include "devices/gpu/kept_commands.hpp"

#include "guest/guest_span.hpp"

#include <algorithm>
#include <cstddef>
#include <format>
#include <span>
#include <utility>

namespace hvisor::devices::gpu {

Outcome<Answer> KeptCommands::run(const Header& header, virtio::Reader body, virtio::FeatureSet negotiated,
                                  std::uint64_t order) {
    if (negotiated.has(f_virgl)) {
        return commands_.run_control(header, body, negotiated);
    }
    if (order <= journal_.done()) {
        return run_again(header, body, negotiated);
    }
    return Journal::keeps(static_cast<Command>(header.type))
               ? run_and_keep(header, body, negotiated, order)
               : commands_.run_control(header, body, negotiated);
}

Outcome<Answer> KeptCommands::run_again(const Header& header, virtio::Reader body,
                                        virtio::FeatureSet negotiated) {
    const auto type = static_cast<Command>(header.type);
    if (Journal::keeps(type) && type != Command::resource_assign_uuid) {
        return Answer{};
    }
    // It changes nothing that lasts. What it is about may be gone by a command that came later.
    return commands_.run_control(header, body, negotiated).or_else([](const Refusal&) {
        return Outcome<Answer>(Answer{});
    });
}

Outcome<Answer> KeptCommands::run_and_keep(const Header& header, virtio::Reader body,
                                           virtio::FeatureSet negotiated, std::uint64_t order) {
    const auto kept = journal_.put(static_cast<Command>(header.type), order, body);
    // What is judged is what is kept: the guest may change its own copy.
    const auto bytes = kept ? guest::GuestSpan(kept->data(), kept->size()) : guest::GuestSpan();
    auto outcome =
        commands_.run_control(header, kept ? virtio::Reader(std::span(&bytes, 1)) : body, negotiated);
    if (outcome) {
        if (kept && header.type == std::to_underlying(Command::resource_assign_uuid)) {
            std::ranges::copy(outcome->body, kept->subspan(offsetof(AssignedUuid, answer)).begin());
        }
        journal_.commit();
    }
    return outcome;
}

std::expected<void, std::string> KeptCommands::restore(virtio::FeatureSet negotiated, std::uint64_t newest) {
    if (auto resumed = journal_.resume(newest); !resumed) {
        return std::unexpected(std::string(resumed.error()));
    }
    for (const auto& record : journal_.records()) {
        if (auto restored = commands_.restore(record.type, record.body, negotiated); !restored) {
            return std::unexpected(std::format("{} of another process is refused here: {}",
                                               command_name(std::to_underlying(record.type)),
                                               restored.error().why));
        }
    }
    return {};
}

void KeptCommands::forget_all() {
    commands_.forget_all();
    journal_.clear();
}

} // namespace hvisor::devices::gpu
