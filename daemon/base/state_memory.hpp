// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "base/mapping.hpp"
#include "base/unique_fd.hpp"

#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace hvisor {

/// Memory for what is remembered of one thing, all zeros at first. What is in it
/// outlives the process, if it is a file's and somebody else has that file open.
/// Memory that nobody touches costs nothing.
class StateMemory {
  public:
    /// Bytes, unless somebody has more to remember.
    static constexpr std::size_t default_size = std::size_t{1} << 20;

    /// A file without a name in any file system, whose size cannot change (memfd_create(2), F_ADD_SEALS);
    /// `name` is for people who look at the process.
    [[nodiscard]] static Result<StateMemory> create(const std::string& name, std::size_t size = default_size);
    /// A file that create() has made, maybe in another process. `incompatible` for another, or one of
    /// another size.
    [[nodiscard]] static Result<StateMemory> open(UniqueFd file, const std::string& name,
                                                  std::size_t size = default_size);
    /// A file that nobody else gets; std::bad_alloc when there is none.
    [[nodiscard]] static std::shared_ptr<const StateMemory> of_process(std::size_t size = default_size);

    [[nodiscard]] std::span<std::byte> bytes() const { return {mapping_.data(), mapping_.size()}; }
    /// All zeros again, and nothing that costs anything.
    void clear() const;
    [[nodiscard]] int fd() const { return file_.get(); }

  private:
    StateMemory(UniqueFd file, Mapping mapping) : file_(std::move(file)), mapping_(std::move(mapping)) {}

    UniqueFd file_;
    Mapping mapping_;
};

} // namespace hvisor
