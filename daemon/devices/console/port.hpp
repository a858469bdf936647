// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/atomic.hpp"
#include "base/error.hpp"
#include "base/reactor.hpp"
#include "base/unique_fd.hpp"
#include "devices/console/attachment.hpp"
#include "devices/console/backend_pty.hpp"
#include "devices/console/line_log.hpp"
#include "devices/console/remains.hpp"
#include "devices/console/state.hpp"
#include "devices/console/typed_input.hpp"
#include "virtio/chain.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <optional>
#include <string>

namespace hvisor::devices::console {

/// What a port is to the guest.
struct PortOptions {
    std::string name;        ///< the guest finds it by; "" for port 0
    bool is_console = false; ///< a terminal of the guest (hvc1), or a stream for programs
};

/// How to attach to a port.
struct AttachOptions {
    std::size_t replay = SIZE_MAX; ///< bytes of history to receive first
    bool read_only = false;
    bool force = false; ///< take the input from the one who has it
};

/// What came of reading input for the guest.
enum class Input {
    taken,
    none,  ///< nothing is there
    ended, ///< and nothing will come
};

/// What a port needs of its device. On the owner thread.
class PortHost {
  public:
    PortHost() = default;
    PortHost(const PortHost&) = delete;
    PortHost& operator=(const PortHost&) = delete;
    PortHost(PortHost&&) = delete;
    PortHost& operator=(PortHost&&) = delete;
    virtual ~PortHost() = default;

    /// The guest takes input now. When it does not, the device calls
    /// Port::look_again() once it does.
    [[nodiscard]] virtual bool takes_input(std::size_t port) = 0;
    /// Give one buffer of the guest what was typed, at `fd` when there is nothing that has come
    /// already; -1: only of that.
    [[nodiscard]] virtual Input read_typed(std::size_t port, TypedInput& typed, int fd) = 0;
    /// A client has left: nobody needs its stream any more.
    virtual void has_left(std::size_t port, std::uint64_t client) = 0;
    /// A user of the pty has changed its size.
    virtual void resized(std::size_t port) = 0;

    [[nodiscard]] virtual Reactor& reactor() = 0;
    /// Where a part of PortContent is in the file that it is kept in.
    struct Place {
        int file = -1;
        std::int64_t offset = 0;
    };
    [[nodiscard]] virtual Place place_of(const std::byte* part) const = 0;
    [[nodiscard]] virtual Result<void> watch(int fd, std::function<void(std::uint32_t)> callback) = 0;
};

/// One port of a console: what the guest wrote to it, and everybody who is
/// attached to it.
///
/// Many read, one types: the input belongs to the stream that asked for it
/// first, until it leaves or another takes it over. Then to the next, in the
/// order in which they came, so that nothing typed is lost or mixed. While no
/// stream has it, it belongs to the pty.
class Port {
  public:
    /// `number` is the host's number of this port; `content` outlives it. `pipe` is for TypedInput.
    Port(PortHost& host, std::size_t number, PortOptions options, PortContent& content, UniqueFd pipe);
    Port(const Port&) = delete;
    Port& operator=(const Port&) = delete;
    Port(Port&&) = delete;
    Port& operator=(Port&&) = delete;
    ~Port() = default;

    // Any thread

    [[nodiscard]] const PortOptions& options() const { return options_; }
    /// "/dev/pts/3", or "" when there is no pty.
    [[nodiscard]] const std::string& pty_path() const { return pty_path_; }
    [[nodiscard]] Size size() const {
        return {.columns = content_.columns.get(), .rows = content_.rows.get()};
    }
    /// Streams, without the pty.
    [[nodiscard]] std::size_t streams() const { return streams_.get(); }
    /// One of the streams has the input.
    [[nodiscard]] bool has_typist() const { return has_typist_.get(); }

    // On the owner thread

    [[nodiscard]] Result<void> add_terminal(Pty pty);
    [[nodiscard]] PortFiles files() const;
    /// `client` is above 0, and above that of everybody who came before.
    [[nodiscard]] Result<void> add_stream(UniqueFd fd, std::uint64_t client, const AttachOptions& options);
    /// Go on with the clients of a process before this one, by client; before any other.
    void resume_streams(std::map<std::uint64_t, UniqueFd> streams);

    /// From now on what the guest prints goes to the log, too.
    void log_lines(const log::Fields& fields) { lines_.emplace(fields); }

    /// Take what a driver wrote into the history; offer() follows.
    void print(const virtio::Chain& chain);
    void print(std::byte byte);
    /// Offer everybody what is new.
    void pump();
    /// The same, unless that was done a moment ago: nothing, or when it is due.
    /// So a guest that prints a lot, in small pieces, does not wake every
    /// reader for each of them, and one that answers a key is seen at once.
    [[nodiscard]] std::optional<Reactor::Clock::time_point> offer(Reactor::Clock::time_point now);

    /// The guest may take input now that it did not take before.
    void look_again();
    /// False when that is its size already.
    [[nodiscard]] bool set_size(Size size);
    /// The content is another one: show it to everybody.
    void show_anew();
    /// The guest is gone for good: everybody gets the rest and the end.
    void end();
    /// Let go of everybody at once.
    void close();

  private:
    [[nodiscard]] Result<void> add(Attachment attachment);
    [[nodiscard]] Result<void> take_over(bool force);
    void handle_event(int fd, std::uint32_t events);
    void take_input(Attachment& attachment);
    /// What was typed and has come as far as here, while the guest takes it.
    void take_typed();
    void follow_terminal();
    void leave(const Attachment& attachment);
    void free_place(std::uint64_t client);
    /// Watch for what can happen next, or let go of who is gone.
    void settle(int fd);
    void settle_all();
    /// When the input has gone from one to another, both are watched anew.
    void settle_turn();
    [[nodiscard]] Attachment* find(int fd);
    /// Who has the input: a file descriptor, or -1.
    [[nodiscard]] int typist() const;

    PortHost& host_;
    const std::size_t number_;
    const PortOptions options_;
    PortContent& content_;
    std::optional<LineLog> lines_;      ///< where the port's lines are logged
    std::list<Attachment> attachments_; ///< in the order in which they came
    UniqueFd terminal_;
    TypedInput typed_;
    std::string pty_path_;
    Watched<std::size_t> streams_;
    Watched<bool> has_typist_;
    int last_typist_ = -1;
    bool ended_ = false;
    bool terminal_was_told_ = false; ///< that its input waits
    std::size_t unpumped_ = 0;       ///< bytes in the history that nobody was offered yet
    Reactor::Clock::time_point next_offer_{};
};

} // namespace hvisor::devices::console
