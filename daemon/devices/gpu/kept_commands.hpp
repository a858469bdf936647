// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "devices/gpu/commands.hpp"
#include "devices/gpu/journal.hpp"

#include <cstdint>
#include <expected>
#include <string>

namespace hvisor::devices::gpu {

/// The commands of the control queue, each carried out once, whichever process does
/// it. Those of three dimensions are not kept: their effect is in the renderer.
class KeptCommands {
  public:
    KeptCommands(Commands& commands, Journal& journal) : commands_(commands), journal_(journal) {}

    /// `body` is what follows the header, `order` the chain's.
    [[nodiscard]] Outcome<Answer> run(const Header& header, virtio::Reader body,
                                      virtio::FeatureSet negotiated, std::uint64_t order);
    /// Be where another process was; `newest` is the order of the chain that was taken last. Or
    /// why that cannot be, and only a part is there.
    [[nodiscard]] std::expected<void, std::string> restore(virtio::FeatureSet negotiated,
                                                           std::uint64_t newest);
    /// Nothing is shown any more, and nothing kept.
    void forget_all();

  private:
    [[nodiscard]] Outcome<Answer> run_again(const Header& header, virtio::Reader body,
                                            virtio::FeatureSet negotiated);
    [[nodiscard]] Outcome<Answer> run_and_keep(const Header& header, virtio::Reader body,
                                               virtio::FeatureSet negotiated, std::uint64_t order);

    Commands& commands_;
    Journal& journal_;
};

} // namespace hvisor::devices::gpu
