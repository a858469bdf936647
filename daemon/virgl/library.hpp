// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "render/messages.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace hvisor::virgl {

struct Capset {
    std::uint32_t id;
    std::uint32_t version;
    std::vector<std::byte> bytes;
};

/// virglrenderer, of which a process has one: it keeps its state in variables of its own.
/// Numbers come from hvisord, which has judged them; what they mean together is judged
/// here, by the library. Functions return errno, or 0.
class Library {
  public:
    /// Begin, on the graphics card that Mesa finds, or on its CPU renderer.
    [[nodiscard]] static Result<Library> start();

    Library(const Library&) = delete;
    Library& operator=(const Library&) = delete;
    Library(Library&&) = default;
    Library& operator=(Library&&) = default;
    /// Nothing is cleaned up: the process ends, and the kernel does that faster.
    ~Library() = default;

    [[nodiscard]] const std::vector<Capset>& capsets() const { return capsets_; }
    /// What draws: "LLVMPIPE (LLVM 19.1.7, 256 bits)".
    [[nodiscard]] const std::string& name() const { return name_; }

    [[nodiscard]] int create_context(std::uint32_t context, const std::string& name);
    void destroy_context(std::uint32_t context);
    void attach(std::uint32_t context, std::uint32_t resource);
    void detach(std::uint32_t context, std::uint32_t resource);
    [[nodiscard]] int create_resource(std::uint32_t resource, const render::Shape& shape);
    /// Its memory has to be away.
    void destroy_resource(std::uint32_t resource);
    /// The memory of a resource, which stays until clear_backing().
    [[nodiscard]] int set_backing(std::uint32_t resource, std::span<std::byte> memory);
    void clear_backing(std::uint32_t resource);
    /// Between a resource and memory.
    [[nodiscard]] int transfer(const render::Transfer& transfer, std::span<std::byte> memory);
    /// Whole words, which are changed.
    [[nodiscard]] int submit(std::uint32_t context, std::span<std::uint32_t> commands);

    /// finished() has `ticket` once all drawing so far is done; false when that cannot be known.
    [[nodiscard]] bool fence(std::uint32_t ticket);
    /// Look for drawing that is done; the tickets of fence() since the last call, in order.
    [[nodiscard]] std::vector<std::uint32_t> finished();
    /// A descriptor that is readable when finished() may have something; -1: there is none.
    [[nodiscard]] int wake_fd() const;
    [[nodiscard]] bool has_fences() const { return !fences_.empty(); }

  private:
    struct Fence {
        std::uint32_t number; ///< the library's name for it
        std::uint32_t ticket;
    };

    Library() = default;
    void read_capset(std::uint32_t id);

    std::vector<Capset> capsets_;
    std::string name_;
    std::deque<Fence> fences_; ///< in order
    std::uint32_t last_fence_ = 0;
};

} // namespace hvisor::virgl
