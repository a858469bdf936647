// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "base/mapping.hpp"
#include "base/unique_fd.hpp"

#include <cstddef>

namespace hvisor::devices::gpu {

/// Memory that can be lent to another process: a file that never becomes shorter, which
/// would be a SIGBUS for who has it mapped, and never longer.
struct MemoryFile {
    UniqueFd file{};
    Mapping mapping{};

    /// `name` is for /proc. All of it is there when this returns: here a lack of memory
    /// is still an error.
    [[nodiscard]] static Result<MemoryFile> make(const char* name, std::size_t bytes);

    [[nodiscard]] explicit operator bool() const { return static_cast<bool>(file); }
    [[nodiscard]] std::size_t size() const { return mapping.size(); }
    /// For a process that can then only read it.
    [[nodiscard]] UniqueFd lend() const;
};

} // namespace hvisor::devices::gpu
