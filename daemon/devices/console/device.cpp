// SPDX-License-Identifier: Apache-2.0
#include "devices/console/device.hpp"

#include "base/errno_text.hpp"
#include "base/log.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <fcntl.h>
#include <map>
#include <ranges>
#include <span>
#include <sys/socket.h>
#include <utility>

namespace hvisor::devices::console {
namespace {

/// Room in the kernel for a reader that is late, beyond the history.
constexpr int socket_buffer = 1 << 20;

virtio::DeviceModel make_model(std::size_t ports) {
    const Config config{
        .cols = 80, .rows = 25, .max_nr_ports = static_cast<std::uint32_t>(ports), .emerg_wr = 0};
    const auto bytes = std::as_bytes(std::span(&config, 1));
    // A console with one port needs no conversation about it: drivers without
    // F_MULTIPORT are many, and with it Linux has its console later.
    const virtio::FeatureSet multiport = ports > 1 ? virtio::FeatureSet{f_multiport} : virtio::FeatureSet{};
    return {.device_id = device_id,
            .features = virtio::FeatureSet{f_size, f_emerg_write} | multiport,
            .queue_sizes = std::vector(queue_count_of(ports), queue_size),
            .config = std::vector(bytes.begin(), bytes.end()),
            .writable_config = {{.offset = offsetof(Config, emerg_wr), .size = sizeof(Config::emerg_wr)}},
            .state_size = sizeof(ConsoleState)};
}

/// A stream socket: our end, non-blocking, and the client's.
Result<std::pair<UniqueFd, UniqueFd>> make_stream() {
    int ends[2] = {-1, -1};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        return fail(ErrorCode::failed, "cannot create a socket for the console: {}", errno_text());
    }
    std::pair<UniqueFd, UniqueFd> pair(ends[0], ends[1]);
    const int ours = pair.first.get();
    ::fcntl(ours, F_SETFL, O_NONBLOCK);
    if (::setsockopt(ours, SOL_SOCKET, SO_SNDBUFFORCE, &socket_buffer, sizeof socket_buffer) != 0) {
        ::setsockopt(ours, SOL_SOCKET, SO_SNDBUF, &socket_buffer, sizeof socket_buffer);
    }
    return pair;
}

} // namespace

ConsoleDevice::ConsoleDevice(virtio::DeviceContext context, std::vector<PortOptions> further, bool is_logged,
                             Remains remains, ClientKeeper keeper)
    : Device(std::move(context), make_model(further.size() + 1)),
      state_(type_state<ConsoleState>()),
      offer_timer_(owner(),
                   [this] {
                       turn([this] {
                           for (auto& port : ports_) {
                               offer(*port);
                           }
                       });
                   }),
      keeper_(std::move(keeper)) {
    further.insert(further.begin(), PortOptions{.name = "", .is_console = true});
    remains.ports.resize(further.size());
    for (std::size_t i = 0; i < further.size(); ++i) {
        add_port(std::move(further[i]), std::move(remains.ports[i]));
    }
    resume_clients(std::move(remains.clients));
    if (is_logged) {
        owner().call([this] { ports_.front()->log_lines(log_fields()); });
    }
}

void ConsoleDevice::add_port(PortOptions options, Remains::Port remains) {
    const auto number = ports_.size();
    auto pipe = remains.pipe ? std::move(remains.pipe) : TypedInput::open_pipe();
    if (!pipe) {
        log::warning(log_fields(), "cannot create a pipe: {}; nothing can be typed at port {} of the console",
                     errno_text(), number);
    }
    PortHost& host = *this;
    ports_.push_back(
        std::make_unique<Port>(host, number, std::move(options), state_.ports.at(number), std::move(pipe)));
    open_terminal(*ports_.back(), std::move(remains));
}

void ConsoleDevice::resume_clients(std::vector<Remains::Client> clients) {
    std::vector<std::map<std::uint64_t, UniqueFd>> streams(ports_.size());
    for (auto& [port, client, stream] : clients) {
        if (port < streams.size()) {
            streams[port].emplace(client, std::move(stream));
        }
    }
    owner().call([&] {
        for (std::size_t i = 0; i < streams.size(); ++i) {
            ports_[i]->resume_streams(std::move(streams[i]));
        }
    });
}

void ConsoleDevice::open_terminal(Port& port, Remains::Port remains) {
    auto pty = remains.master && remains.terminal
                   ? Result<Pty>(Pty::take_over(std::move(remains.master), std::move(remains.terminal)))
                   : Pty::open();
    if (!pty) {
        log::warning(log_fields(), "{}; the console is reachable without one", pty.error().message);
        return;
    }
    owner().call([&] {
        if (auto added = port.add_terminal(std::move(*pty)); !added) {
            log::warning(log_fields(), "{}", added.error().message);
        }
    });
    if (port.options().name.empty()) {
        // Scripts look for these very words.
        log::info(log_fields(), "char device redirected to {}", port.pty_path());
    } else {
        log::info(log_fields(), "port {} is at {}", port.options().name, port.pty_path());
    }
}

Result<std::size_t> ConsoleDevice::find_port(std::string_view name) const {
    for (std::size_t i = 0; i < ports_.size(); ++i) {
        if (ports_[i]->options().name == name) {
            return i;
        }
    }
    return fail(ErrorCode::no_such_device, "{} has no port {}", context().id, name);
}

Result<UniqueFd> ConsoleDevice::attach(std::string_view port, const AttachOptions& options) {
    const auto number = find_port(port);
    if (!number) {
        return std::unexpected(number.error());
    }
    auto stream = make_stream();
    if (!stream) {
        return std::unexpected(std::move(stream).error());
    }
    auto& [ours, theirs] = *stream;
    if (options.read_only) {
        ::shutdown(ours.get(), SHUT_RD);
    }
    drop_left();
    const auto client = next_client();
    if (keeper_.keep) {
        keeper_.keep(*number, client, ours.get());
    }
    Result<void> added;
    owner().call([&] { added = ports_[*number]->add_stream(std::move(ours), client, options); });
    if (!added) {
        has_left(*number, client);
        drop_left();
        return std::unexpected(std::move(added).error());
    }
    return std::move(theirs);
}

/// Later than every one of this machine's, whichever process had it.
std::uint64_t ConsoleDevice::next_client() {
    const auto now = std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count();
    const std::scoped_lock guard(lock_);
    last_client_ = std::max(last_client_ + 1, static_cast<std::uint64_t>(now));
    return last_client_;
}

void ConsoleDevice::has_left(std::size_t port, std::uint64_t client) {
    const std::scoped_lock guard(lock_);
    left_.emplace_back(port, client);
}

void ConsoleDevice::drop_left() {
    std::vector<std::pair<std::size_t, std::uint64_t>> left;
    {
        const std::scoped_lock guard(lock_);
        left.swap(left_);
    }
    for (const auto& [port, client] : left) {
        if (keeper_.drop) {
            keeper_.drop(port, client);
        }
    }
}

Result<void> ConsoleDevice::resize(std::string_view port, Size size) {
    const auto number = find_port(port);
    if (!number) {
        return std::unexpected(number.error());
    }
    owner().call([&] {
        turn([&] {
            if (ports_[*number]->set_size(size)) {
                resized(*number);
            }
        });
    });
    return {};
}

std::vector<PortState> ConsoleDevice::ports() const {
    std::vector<PortState> states;
    for (std::size_t i = 0; i < ports_.size(); ++i) {
        const auto& port = *ports_[i];
        states.push_back({.name = port.options().name,
                          .is_console = port.options().is_console,
                          .pty_path = port.pty_path(),
                          .size = port.size(),
                          .guest_open = state_.conversations.at(i).guest_open.get(),
                          .streams = port.streams(),
                          .has_typist = port.has_typist()});
    }
    return states;
}

std::vector<PortFiles> ConsoleDevice::files() {
    std::vector<PortFiles> files;
    owner().call([&] {
        for (const auto& port : ports_) {
            files.push_back(port->files());
        }
    });
    return files;
}

void ConsoleDevice::do_activate() {
    // Without F_MULTIPORT there is only port 0, and nobody says that it is open.
    state_.conversations.front().guest_open.set(!negotiated(f_multiport));
}

void ConsoleDevice::do_resume() {
    for (auto& port : ports_) {
        port->show_anew();
    }
}

void ConsoleDevice::do_reset() {
    state_.conversations = {};
}

void ConsoleDevice::do_kick(std::size_t queue) {
    if (queue >= control_receive_queue && !negotiated(f_multiport)) {
        return;
    }
    if (queue == control_receive_queue) {
        send_owed();
    } else if (queue == control_transmit_queue) {
        serve(queue);
        send_owed();
    } else if (auto& port = *ports_.at(port_of(queue)); queue == receive_queue_of(port_of(queue))) {
        port.look_again();
    } else {
        serve(queue);
        offer(port);
    }
}

void ConsoleDevice::offer(Port& port) {
    const auto due = port.offer(Reactor::Clock::now());
    if (due && !offer_timer_.is_set()) {
        offer_timer_.set(*due);
    }
}

void ConsoleDevice::do_request(std::size_t queue, virtio::Chain chain) {
    if (queue == control_transmit_queue) {
        handle_control(chain.reader());
    } else {
        count_bytes(queue, chain.reader().remaining());
        ports_.at(port_of(queue))->print(chain);
    }
}

void ConsoleDevice::do_config_written(std::size_t offset, std::span<const std::byte> bytes) {
    // virtio 1.2, 5.3.5: one character, whether the queues run or not.
    if (offset == offsetof(Config, emerg_wr)) {
        ports_.front()->print(bytes.front());
        ports_.front()->pump();
    }
}

void ConsoleDevice::do_quiesce() {
    do_reset();
    for (auto& port : ports_) {
        port->end();
    }
}

void ConsoleDevice::do_close() {
    offer_timer_.cancel();
    for (auto& port : ports_) {
        port->close();
    }
}

Result<void> ConsoleDevice::watch(int fd, std::function<void(std::uint32_t)> callback) {
    return owner().watch(fd, 0, [this, callback = std::move(callback)](std::uint32_t events) {
        turn([&] { callback(events); });
    });
}

bool ConsoleDevice::has_buffer(std::size_t index) {
    auto* running = queue(index);
    if (running == nullptr) {
        return false;
    }
    if (running->has_available() || running->enable_notifications()) {
        running->disable_notifications();
        return true;
    }
    return false;
}

bool ConsoleDevice::takes_input(std::size_t port) {
    // A Linux driver throws away what comes for a port that nobody has opened.
    return state_.conversations.at(port).guest_open.get() && has_buffer(receive_queue_of(port));
}

std::optional<virtio::Chain> ConsoleDevice::pop_buffer(std::size_t index) {
    auto chain = pop(index);
    if (chain && chain->writer().remaining() == 0) {
        require_reset("a receive buffer that is not device-writable");
        return std::nullopt;
    }
    return chain;
}

Input ConsoleDevice::read_typed(std::size_t port, TypedInput& typed, int fd) {
    const auto index = receive_queue_of(port);
    auto chain = pop_buffer(index);
    if (!chain) {
        return Input::none;
    }
    auto writer = chain->writer();
    if (!typed.is_for(chain->order()) && typed.is_empty() && !typed.fill(fd)) {
        const int error = errno;
        chain->put_back();
        return error == EAGAIN || error == EINTR ? Input::none : Input::ended;
    }
    const auto count = writer.write(typed.take(chain->order(), writer.remaining()));
    chain->set_written(count);
    count_bytes(index, count);
    return Input::taken;
}

void ConsoleDevice::resized(std::size_t port) {
    if (port == 0) {
        const auto size = ports_.front()->size();
        const std::array fields{size.columns, size.rows};
        static_assert(offsetof(Config, cols) == 0 && offsetof(Config, rows) == 2);
        update_config(offsetof(Config, cols), std::as_bytes(std::span(fields)));
    }
    if (state_.conversations.at(port).ready && ports_.at(port)->options().is_console) {
        owe(port, ControlEvent::resize);
        send_owed();
    }
}

} // namespace hvisor::devices::console
