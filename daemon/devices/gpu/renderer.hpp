// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "base/reactor.hpp"
#include "base/unique_fd.hpp"
#include "render/link.hpp"

#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace hvisor::devices::gpu {

/// Names an order to the renderer until it is answered.
class Ticket {
  public:
    explicit Ticket(std::uint32_t value) : value_(value) {}
    [[nodiscard]] std::uint32_t value() const { return value_; }
    [[nodiscard]] auto operator<=>(const Ticket&) const = default;

  private:
    std::uint32_t value_;
};

/// A capability set: what a driver may use, in bytes that its Mesa understands.
struct Capset {
    std::uint32_t id;
    std::uint32_t version; ///< the newest
    std::vector<std::byte> bytes;
};

struct RendererSettings {
    /// A connection to hvisor-gpu-render, SOCK_SEQPACKET; called again after a reset.
    std::function<Result<UniqueFd>()> connect;
    std::string name{}; ///< of the zone, for its process list and log
    /// Until it has to be ready, and until it has to have carried out something more.
    std::chrono::milliseconds start_limit{10'000};
    std::chrono::milliseconds answer_limit{30'000};
};

/// Connect to hvisor-gpu-render at this socket. The error says what to do.
[[nodiscard]] Result<UniqueFd> connect_renderer(const std::filesystem::path& socket);

/// hvisor-gpu-render, as one GPU device sees it: a process that draws in three dimensions
/// for one driver. It may end, hang or talk nonsense, and then it is lost until renew().
/// What is sent to it never waits.
///
/// Made on any thread; all else on the owner's.
class Renderer {
  public:
    struct Listener {
        /// An order was carried out, or not: errno then. Never from inside ask().
        std::function<void(Ticket ticket, int error)> done;
        /// It is lost, why: for people. Once; no order is answered any more.
        std::function<void(const std::string& why)> lost;
    };

    /// Connects, and waits until it is ready, `start_limit` at most; not on the owner's thread.
    [[nodiscard]] static Result<std::unique_ptr<Renderer>> open(Reactor& owner, RendererSettings settings);
    Renderer(const Renderer&) = delete;
    Renderer& operator=(const Renderer&) = delete;
    Renderer(Renderer&&) = delete;
    Renderer& operator=(Renderer&&) = delete;
    ~Renderer() = default;

    /// Once, first.
    void listen(Listener listener);

    /// The capability sets, always as many.
    [[nodiscard]] const std::vector<Capset>& capsets() const { return capsets_; }
    /// Any thread: what draws, "LLVMPIPE (LLVM 19.1.7, 256 bits)".
    [[nodiscard]] const std::string& name() const { return name_; }

    [[nodiscard]] bool is_lost() const { return link_ == nullptr; }

    /// Send an order that is answered. `file` -1: none goes with it; it need not stay.
    template <render::Message T>
    [[nodiscard]] Ticket ask(T message, bool is_fenced = false, std::span<const std::byte> more = {},
                             int file = -1) {
        const Ticket ticket(next_ticket());
        message.order = {.ticket = ticket.value(), .is_fenced = is_fenced ? 1U : 0U};
        begin_wait();
        send(render::encode(message, more), file);
        return ticket;
    }
    /// Send one that is not.
    template <render::Message T>
    void tell(T message, int file = -1) {
        message.order = {};
        send(render::encode(message), file);
    }

    /// Another driver: everything is forgotten. A process that was used, or is lost, is
    /// followed by a fresh one, which nobody waits for.
    void renew();

    /// For good; nothing is called afterwards.
    void close();

  private:
    struct Outgoing {
        std::vector<std::byte> bytes;
        UniqueFd file;
    };
    /// What it has told of itself so far.
    struct Introduction {
        std::vector<Capset> capsets;
        std::optional<std::string> name; ///< once it is ready
    };

    Renderer(Reactor& owner, RendererSettings settings);

    [[nodiscard]] Result<void> connect();
    [[nodiscard]] Result<void> wait_until_ready();
    void watch();
    [[nodiscard]] std::uint32_t next_ticket();
    void begin_wait();
    void send(std::vector<std::byte> bytes, int file);
    void serve(std::uint32_t events);
    void flush();
    void read();
    /// Why it is of no use any more; nothing while it is.
    [[nodiscard]] std::optional<std::string> take(render::Received& message);
    [[nodiscard]] std::optional<std::string> introduce(render::Received& message);
    [[nodiscard]] std::optional<std::string> finish(const render::Done& done);
    void lose(const std::string& why);
    void let_go();

    Reactor& owner_;
    const RendererSettings settings_;
    Listener listener_;
    std::vector<Capset> capsets_;
    std::string name_;
    std::unique_ptr<render::Link> link_; ///< null: lost, or closed
    bool is_watched_ = false;
    bool is_used_ = false; ///< something was sent to this process
    bool is_closed_ = false;
    Introduction introduction_;     ///< of this process
    std::deque<Outgoing> outgoing_; ///< while it does not read; an order is a chain of the device's
    std::uint32_t last_ticket_ = 0;
    std::uint32_t first_ticket_ = 1; ///< of this process's
    std::size_t waiting_ = 0;        ///< orders that are not answered
    Reactor::Timer limit_timer_;     ///< while something is waited for
};

} // namespace hvisor::devices::gpu
