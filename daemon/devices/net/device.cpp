// SPDX-License-Identifier: Apache-2.0
#include "devices/net/device.hpp"

#include "base/log.hpp"

#include <algorithm>
#include <span>
#include <sys/epoll.h>
#include <utility>

namespace hvisor::devices::net {
namespace {

virtio::DeviceModel make_model(const Backend& backend, const Mac& mac, std::size_t state_size) {
    Config config{};
    config.mac = mac;
    config.status = backend.is_link_up() ? status_link_up : 0;
    config.max_virtqueue_pairs = backend.pairs();
    config.mtu = backend.mtu();
    config.speed = unknown_speed;
    config.duplex = unknown_duplex;
    const auto bytes = std::as_bytes(std::span(&config, 1));
    auto features = offload_features(backend.capabilities()) |
                    virtio::FeatureSet{f_mtu, f_mac, f_mrg_rxbuf, f_status, f_ctrl_vq, f_ctrl_rx,
                                       f_ctrl_rx_extra, f_ctrl_mac_addr, f_speed_duplex,
                                       // Frames are done in the order they come.
                                       virtio::FeatureBit::in_order};
    if (backend.pairs() > 1) {
        features = features | virtio::FeatureSet{f_mq};
    }
    std::vector<std::uint16_t> sizes(std::size_t{2} * backend.pairs(), queue_size);
    sizes.push_back(control_queue_size);
    return {.device_id = device_id,
            .features = features,
            .queue_sizes = std::move(sizes),
            .config = std::vector(bytes.begin(), bytes.end()),
            .state_size = state_size};
}

} // namespace

NetDevice::NetDevice(virtio::DeviceContext context, std::shared_ptr<Backend> backend,
                     const NetSettings& settings)
    : Device(std::move(context), make_model(*backend, settings.mac, sizeof(State))),
      kept_(type_state<State>()),
      state_(kept_.control),
      name_(backend->name()),
      settings_(settings),
      mtu_(backend->mtu()),
      backend_(std::move(backend)),
      pairs_(backend_->pairs()),
      transmit_throttle_(settings.transmit),
      receive_throttle_(settings.receive),
      is_plugged_(!kept_.is_unplugged),
      is_link_up_(backend_->is_link_up()),
      configured_offloads_(backend_->capabilities()),
      transmit_timer_(owner(),
                      [this] {
                          turn([this] {
                              for (std::size_t pair = 0; pair < pairs_.size(); ++pair) {
                                  transmit(pair);
                              }
                          });
                      }),
      receive_timer_(owner(),
                     [this] {
                         turn([this] {
                             for (std::size_t pair = 0; pair < pairs_.size(); ++pair) {
                                 receive(pair);
                             }
                         });
                     }),
      patience_timer_(owner(), [this] { turn([this] { drop_late_frames(); }); }) {
    owner().call([this] { watch_all(); });
}

NetDevice::~NetDevice() {
    disconnect();
    // What the helper posted there before it ended.
    owner().call([] {});
}

void NetDevice::disconnect() {
    helper_.reset();
    backend_.reset();
}

void NetDevice::watch_all() {
    const auto watch = [this](int fd, auto callback) {
        if (auto watched = owner().watch(fd, 0, std::move(callback)); !watched) {
            log::error(log_fields(), "{}: {}", name_, watched.error().message);
        }
        owner().pause(fd);
    };
    for (std::size_t pair = 0; pair < pairs_.size(); ++pair) {
        watch(backend_->fd(pair),
              [this, pair](std::uint32_t events) { turn([&] { handle_events(pair, events); }); });
    }
    if (const int fd = backend_->link_fd(); fd >= 0) {
        watch(fd, [this](std::uint32_t) { turn([this] { look_at_link(); }); });
        owner().rewatch(fd, EPOLLIN);
    }
}

void NetDevice::do_quiesce() {
    if (!std::exchange(is_connected_, false)) {
        return;
    }
    for (std::size_t pair = 0; pair < pairs_.size(); ++pair) {
        owner().unwatch(backend_->fd(pair));
    }
    if (const int fd = backend_->link_fd(); fd >= 0) {
        owner().unwatch(fd);
    }
    transmit_timer_.cancel();
    receive_timer_.cancel();
    patience_timer_.cancel();
    transmitter_.close();
}

void NetDevice::do_activate() {
    const auto features = negotiated();
    const auto receiving = guest_offloads(features);
    state_ = {.filter = features.has(f_ctrl_rx) ? Filter::own_only(settings_.mac)
                                                : Filter::everything(settings_.mac),
              .receiving = receiving,
              .pairs = 1};
    set_up();
    for (std::size_t pair = 0; pair < pairs_.size(); ++pair) {
        drain(pair);
    }
    configure(std::nullopt);
}

void NetDevice::do_resume() {
    state_.pairs = std::clamp<std::uint16_t>(state_.pairs, 1, static_cast<std::uint16_t>(pairs_.size()));
    for (auto* table : {&state_.filter.unicast, &state_.filter.multicast}) {
        table->count = std::min<std::uint32_t>(table->count, MacTable::capacity);
    }
    // The configuration space has what the driver was told; the host's end may be another now.
    std::uint16_t told = 0;
    read_config(offsetof(Config, status), std::as_writable_bytes(std::span(&told, 1)));
    is_link_up_.store((told & status_link_up) != 0, std::memory_order_relaxed);
    tell_link();
    set_up();
    configure(std::nullopt);
}

void NetDevice::set_up() {
    const auto features = negotiated();
    const auto receiving = guest_offloads(features);
    sending_ = host_offloads(features);
    control_queue_.reset();
    if (features.has(f_ctrl_vq)) {
        // virtio 1.2, 5.1.2: behind the pairs that the driver knows of.
        control_queue_ = 2 * (features.has(f_mq) ? pairs_.size() : 1);
    }
    const auto max_plain = mtu_ + sizeof(EthernetHeader) + vlan_room;
    for (auto& pair : pairs_) {
        pair.receiver.set_up({.mergeable = features.has(f_mrg_rxbuf),
                              .checksums = receiving.csum,
                              .max_plain = max_plain,
                              .max_frame = receiving.has_segments() ? max_segment : max_plain});
    }
}

void NetDevice::do_reset() {
    control_queue_.reset();
    is_configuring_ = false;
    if (state_.filter.own != settings_.mac) {
        set_mac(settings_.mac);
    }
    state_ = {};
}

void NetDevice::do_stop_queue(std::size_t queue) {
    if (queue == control_queue_) {
        waiting_command_.reset();
        commands_.clear();
        return;
    }
    const auto pair = queue / 2;
    if (pair >= pairs_.size()) {
        return;
    }
    if (queue == receive_queue(pair)) {
        pairs_[pair].receiver.put_back();
        pairs_[pair].is_starved = false;
    } else {
        pairs_[pair].is_blocked = false;
    }
    settle(pair);
}

void NetDevice::do_kick(std::size_t queue) {
    if (queue == control_queue_) {
        serve(queue);
        return;
    }
    const auto pair = queue / 2;
    if (pair >= pairs_.size()) {
        return;
    }
    if (queue == receive_queue(pair)) {
        receive(pair);
    } else {
        transmit(pair);
    }
}

void NetDevice::handle_events(std::size_t pair, std::uint32_t events) {
    const bool is_broken = (events & (EPOLLERR | EPOLLHUP)) != 0;
    if (is_broken || (events & EPOLLOUT) != 0) {
        pairs_.at(pair).is_blocked = false;
        transmit(pair);
    }
    if (is_broken || (events & EPOLLIN) != 0) {
        receive(pair);
    }
    if (is_broken && pairs_.at(pair).watched != 0) {
        // It would be reported all the time.
        pairs_.at(pair).is_dead = true;
        settle(pair);
    }
}

void NetDevice::settle(std::size_t index) {
    auto& pair = pairs_.at(index);
    if (!is_connected_) {
        return;
    }
    const bool wants_input = can_receive(index) && !pair.is_starved && !receive_timer_.is_set();
    const bool wants_output = pair.is_blocked && !pair.is_dead;
    const auto wanted = (wants_input ? EPOLLIN : 0U) | (wants_output ? EPOLLOUT : 0U);
    if (wanted == pair.watched) {
        return;
    }
    pair.watched = wanted;
    if (wanted != 0) {
        owner().rewatch(backend_->fd(index), wanted);
    } else {
        owner().pause(backend_->fd(index));
    }
}

void NetDevice::look_at_link() {
    backend_->update_link();
    tell_link();
}

void NetDevice::tell_link() {
    const bool is_up = is_plugged() && backend_->is_link_up();
    if (is_up != is_link_up_.exchange(is_up, std::memory_order_relaxed)) {
        const std::uint16_t status = is_up ? status_link_up : 0;
        update_config(offsetof(Config, status), std::as_bytes(std::span(&status, 1)));
    }
}

void NetDevice::set_plugged(bool is_plugged) {
    owner().call([this, is_plugged] {
        turn([this, is_plugged] {
            const bool was_plugged = is_plugged_.exchange(is_plugged, std::memory_order_relaxed);
            if (was_plugged == is_plugged || !is_connected_) {
                return; // as it is, or its zone has stopped
            }
            kept_.is_unplugged = !is_plugged;
            tell_link();
            for (std::size_t pair = 0; pair < pairs_.size(); ++pair) {
                if (is_plugged) {
                    drain(pair); // what came meanwhile
                }
                pairs_[pair].is_blocked = false;
                receive(pair);
                transmit(pair);
            }
        });
    });
}

void NetDevice::do_request(std::size_t, virtio::Chain chain) {
    commands_.push_back(std::move(chain));
    run_commands();
}

void NetDevice::run_commands() {
    while (!waiting_command_ && !commands_.empty()) {
        auto chain = std::move(commands_.front());
        commands_.pop_front();
        control(std::move(chain));
    }
}

void NetDevice::control(virtio::Chain chain) {
    if (chain.writer().remaining() == 0) {
        require_reset("no room for the answer to a control command");
        return;
    }
    const auto before = state_;
    switch (run_command(chain.reader(), negotiated(), static_cast<std::uint16_t>(pairs_.size()), state_)) {
    case ControlOutcome::failed:
        acknowledge(chain, false);
        count_error(*control_queue_);
        break;
    case ControlOutcome::done:
        acknowledge(chain, true);
        break;
    case ControlOutcome::mac_changed:
        // virtio 1.2, 5.1.6.5.2.2: before the command is used.
        set_mac(state_.filter.own);
        acknowledge(chain, true);
        break;
    case ControlOutcome::backend_changed:
        state_before_ = before;
        configure(std::move(chain));
        break;
    }
}

void NetDevice::acknowledge(virtio::Chain& chain, bool ok) {
    const auto ack = static_cast<std::byte>(ok ? ack_ok : ack_error);
    chain.writer().write(std::span(&ack, 1));
    chain.set_written(1);
    chain.complete();
}

void NetDevice::set_mac(const Mac& mac) {
    update_config(offsetof(Config, mac), std::as_bytes(std::span(mac)));
}

void NetDevice::configure(std::optional<virtio::Chain> chain) {
    waiting_command_ = std::move(chain);
    is_configuring_ = true;
    // One request at a time, however often a driver changes its mind meanwhile.
    if (!is_helper_busy_) {
        start_configuration();
    }
}

void NetDevice::start_configuration() {
    if (configured_offloads_ == state_.receiving && configured_pairs_ == state_.pairs) {
        finish_configuration(true);
        return;
    }
    for (std::size_t pair = 0; pair < pairs_.size(); ++pair) {
        settle(pair);
    }
    if (!helper_) {
        auto helper = Reactor::start({.name = "net-setup", .cpus = {}, .on_crash = {}});
        if (!helper) {
            warn("{}: {}", name_, helper.error().message);
            finish_configuration(false);
            return;
        }
        helper_ = std::move(*helper);
    }
    is_helper_busy_ = true;
    configured_offloads_ = state_.receiving;
    configured_pairs_ = state_.pairs;
    helper_->post([this, backend = backend_, offloads = state_.receiving, pairs = state_.pairs] {
        auto done = backend->configure(offloads, pairs);
        if (!done) {
            warn("{}", done.error().message); // a driver can have it tried again and again
        }
        owner().post([this, succeeded = done.has_value()] { turn([&] { take_configuration(succeeded); }); });
    });
}

void NetDevice::take_configuration(bool succeeded) {
    is_helper_busy_ = false;
    const bool is_wanted = configured_offloads_ == state_.receiving && configured_pairs_ == state_.pairs;
    if (!succeeded) {
        configured_pairs_ = 0; // it is not known what it does now
    }
    if (!is_connected_ || !is_configuring_) {
        return;
    }
    if (is_wanted) {
        finish_configuration(succeeded);
    } else {
        start_configuration();
    }
    run_commands();
}

void NetDevice::finish_configuration(bool succeeded) {
    is_configuring_ = false;
    if (waiting_command_) {
        if (!succeeded) {
            state_ = state_before_;
        }
        acknowledge(*waiting_command_, succeeded);
        waiting_command_.reset();
    }
    for (std::size_t pair = 0; pair < pairs_.size(); ++pair) {
        receive(pair);
    }
}

} // namespace hvisor::devices::net
