// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "base/unique_fd.hpp"

#include <vector>

namespace hvisor::service {

/// The memory files that were handed out. Whoever has one can keep it for as
/// long as it likes, or not even read the answer that it comes in, and the
/// memory is the daemon's: so what is out at the same time is bounded.
class PictureFiles {
  public:
    /// `resource_busy` while programs have so many bytes of pictures that there shall be no more.
    [[nodiscard]] Result<void> check_room();

    /// The file for another program, which can only read it, from its beginning.
    [[nodiscard]] Result<UniqueFd> hand_out(const UniqueFd& file);

  private:
    std::vector<UniqueFd> out_; ///< the same files, opened once more
};

} // namespace hvisor::service
