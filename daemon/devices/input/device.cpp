// SPDX-License-Identifier: Apache-2.0
#include "devices/input/device.hpp"

#include "devices/input/config.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <optional>
#include <utility>
#include <vector>

namespace hvisor::devices::input {
namespace {

virtio::DeviceModel make_model(std::size_t state_size) {
    const Config config{};
    const auto bytes = std::as_bytes(std::span(&config, 1));
    return {.device_id = device_id,
            .features = {},
            .queue_sizes = {queue_size, queue_size},
            .config = {bytes.begin(), bytes.end()},
            .writable_config = {{.offset = offsetof(Config, select), .size = 2}},
            .state_size = state_size};
}

} // namespace

InputDevice::InputDevice(virtio::DeviceContext context, Capabilities capabilities, std::string model,
                         std::unique_ptr<Backend> backend)
    : Device(std::move(context), make_model(sizeof(State))),
      capabilities_(std::move(capabilities)),
      model_(std::move(model)),
      state_(type_state<State>()),
      store_(state_.events),
      waker_(owner(), [this] { turn([this] { deliver(); }); }),
      backend_(std::move(backend)) {
    if (backend_) {
        backend_->connect(
            {.put = [this](Group group) { put(group); }, .release_all = [this] { release_all(); }});
    }
}

InputDevice::~InputDevice() = default;

std::string InputDevice::backend_name() const {
    return backend_ ? backend_->name() : model_;
}

void InputDevice::disconnect() {
    if (backend_) {
        backend_->release();
    }
}

void InputDevice::put(Group group) {
    std::vector<Event> events;
    std::ranges::copy_if(group, std::back_inserter(events), [this](const Event& event) {
        return event.type != EventType::synchronization && capabilities_.has(event.type, event.code);
    });
    {
        const std::scoped_lock guard(lock_);
        store_.put(events);
    }
    waker_.wake();
}

void InputDevice::release_all() {
    {
        const std::scoped_lock guard(lock_);
        store_.release_all();
    }
    waker_.wake();
}

std::uint32_t InputDevice::leds() const {
    const std::scoped_lock guard(lock_);
    return state_.leds;
}

std::uint64_t InputDevice::dropped() const {
    const std::scoped_lock guard(lock_);
    return store_.dropped();
}

void InputDevice::do_config_selected() {
    std::array<std::byte, 2> selected{};
    read_config(offsetof(Config, select), selected);
    Config config{.select = std::to_integer<std::uint8_t>(selected[0]),
                  .subsel = std::to_integer<std::uint8_t>(selected[1])};
    const auto answer = capabilities_.answer(config.select, config.subsel);
    config.size = static_cast<std::uint8_t>(answer.size());
    std::ranges::copy(answer, config.answer.begin());
    // virtio 1.2, 5.8.5.2: the size is 0 where there is nothing to say; and
    // nothing of an earlier answer stays behind this one.
    const auto bytes = std::as_bytes(std::span(&config, 1));
    put_config(offsetof(Config, size), bytes.subspan(offsetof(Config, size)));
}

void InputDevice::begin() {
    is_heard_.store(true, std::memory_order_release);
    if (backend_) {
        backend_->begin();
    }
}

void InputDevice::end() {
    is_heard_.store(false, std::memory_order_release);
    if (backend_) {
        backend_->end();
    }
}

void InputDevice::do_activate() {
    {
        const std::scoped_lock guard(lock_);
        store_.forget();
        state_.leds = 0;
    }
    begin();
}

void InputDevice::do_resume() {
    std::uint32_t lit = 0;
    {
        const std::scoped_lock guard(lock_);
        store_.go_on();
        lit = state_.leds;
    }
    begin();
    for (std::uint16_t led = 0; backend_ && led < LED_CNT; ++led) {
        if (capabilities_.has(EventType::led, led)) {
            const bool is_lit = (lit >> led & 1) != 0;
            backend_->set({.type = EventType::led, .code = led, .value = is_lit ? 1 : 0});
        }
    }
}

void InputDevice::do_reset() {
    end();
    const std::scoped_lock guard(lock_);
    store_.forget();
    state_.leds = 0;
}

void InputDevice::do_quiesce() {
    end();
}

void InputDevice::do_kick(std::size_t queue) {
    if (queue == event_queue) {
        deliver();
    } else {
        serve(queue);
    }
}

std::optional<Event> InputDevice::next_event() const {
    const std::scoped_lock guard(lock_);
    return store_.front();
}

void InputDevice::deliver() {
    while (auto* running = queue(event_queue)) {
        running->set_asked(Reactor::Clock::now());
        const auto event = next_event();
        if (!event) {
            // More buffers are of no use now; whoever brings an event looks for them.
            running->disable_notifications();
            return;
        }
        auto chain = pop(event_queue);
        if (chain) {
            if (!deliver(*event, std::move(*chain))) {
                return;
            }
            owner().breathe();
        } else if (queue(event_queue) == nullptr || !running->enable_notifications()) {
            return;
        }
    }
}

bool InputDevice::deliver(const Event& event, virtio::Chain chain) {
    auto writer = chain.writer();
    // virtio 1.2, 5.8.6.1: a driver's buffers are at least as large as an event.
    if (writer.remaining() < sizeof(WireEvent)) {
        count_error(event_queue);
        require_reset("a buffer for events that is too small for one");
        return false;
    }
    const WireEvent wire{.type = std::to_underlying(event.type),
                         .code = event.code,
                         .value = std::bit_cast<std::uint32_t>(event.value)};
    chain.set_written(writer.write(std::as_bytes(std::span(&wire, 1))));
    count_bytes(event_queue, sizeof wire);
    const std::scoped_lock guard(lock_);
    store_.pop();
    return true;
}

void InputDevice::do_request(std::size_t, virtio::Chain chain) {
    auto reader = chain.reader();
    const auto wire = reader.read<WireEvent>();
    if (!wire) {
        count_error(status_queue);
        require_reset("a status that is too short for an event"); // virtio 1.2, 5.8.6.1
        return;
    }
    count_bytes(status_queue, sizeof *wire);
    take_status({.type = static_cast<EventType>(wire->type),
                 .code = wire->code,
                 .value = std::bit_cast<std::int32_t>(wire->value)});
}

/// What the device has not is of no harm: Linux sends what it makes up for itself, too.
void InputDevice::take_status(const Event& event) {
    const bool is_led = event.type == EventType::led && event.code < LED_CNT;
    const bool is_known = is_led || event.type == EventType::sound || event.type == EventType::repeat;
    if (!is_known || !capabilities_.has(event.type, event.code)) {
        return;
    }
    if (is_led) {
        const std::scoped_lock guard(lock_);
        const auto mask = std::uint32_t{1} << event.code;
        state_.leds = event.value != 0 ? state_.leds | mask : state_.leds & ~mask;
    }
    if (backend_) {
        backend_->set(event);
    }
}

} // namespace hvisor::devices::input
