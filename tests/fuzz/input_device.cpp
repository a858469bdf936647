// SPDX-License-Identifier: Apache-2.0
#include "device_fuzz.hpp"
#include "devices/input/config.hpp"
#include "devices/input/device.hpp"
#include "devices/input/models.hpp"

#include <algorithm>
#include <array>
#include <span>

namespace {

using namespace hvisor;
using namespace hvisor::devices::input;

Capabilities everything() {
    Capabilities all = keyboard();
    for (const auto code : std::initializer_list<std::uint16_t>{REL_X, REL_Y, REL_WHEEL}) {
        all.add(EventType::relative, code);
    }
    for (const auto code : std::initializer_list<std::uint16_t>{ABS_X, ABS_Y, ABS_MT_SLOT, ABS_MT_TRACKING_ID,
                                                                ABS_MT_POSITION_X}) {
        all.add_axis(code, {.min = 0, .max = tablet_range, .fuzz = 0, .flat = 0, .res = 0});
    }
    return all;
}

/// So few that no other byte belongs into a driver's buffers.
constexpr std::array codes{KEY_ESC, KEY_A, KEY_B, KEY_POWER};

class InputFuzz final : public fuzz::DeviceFuzz<InputDevice> {
  public:
    explicit InputFuzz(fuzz::Input& input) : DeviceFuzz(input, everything(), std::string("keyboard")) {}

  private:
    [[nodiscard]] fuzz::Request make_request(std::size_t queue) override {
        fuzz::Request request;
        if (queue == event_queue) {
            const bool is_good = !input().rarely();
            request.parts.push_back({.writable = is_good ? 8 + input().below(3) : 1 + input().below(7)});
            request.may_fault = !is_good;
            return request;
        }
        WireEvent event{.type = EV_LED, .code = static_cast<std::uint16_t>(input().below(4)), .value = 1};
        if (input().sometimes()) {
            event = {.type = input().take<std::uint16_t>(),
                     .code = input().take<std::uint16_t>(),
                     .value = input().take<std::uint32_t>()};
        }
        const auto bytes = std::as_bytes(std::span(&event, 1));
        const std::size_t size = input().rarely() ? 1 + input().below(7) : bytes.size();
        request.parts.push_back(
            {.readable = {bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size)}});
        request.may_fault = size < bytes.size();
        return request;
    }

    /// Somebody types and points, more or less sensibly, or goes away.
    void host_step() override {
        std::vector<Event> group;
        for (auto count = input().below(8); count > 0; --count) {
            const auto kind = input().below(5);
            const auto small = static_cast<std::int32_t>(input().below(4)) - 1;
            const auto code = static_cast<std::uint16_t>(codes.at(input().below(codes.size())));
            group.push_back(
                kind == 0   ? Event{.type = EventType::key, .code = code, .value = small}
                : kind == 1 ? Event{.type = EventType::relative, .code = REL_X, .value = small}
                : kind == 2 ? Event{.type = EventType::absolute, .code = ABS_MT_SLOT, .value = small}
                : kind == 3 ? Event{.type = EventType::absolute, .code = ABS_MT_TRACKING_ID, .value = small}
                            : Event{.type = static_cast<EventType>(input().take<std::uint16_t>() | 0x100U),
                                    .code = input().take<std::uint16_t>(),
                                    .value = small});
        }
        for (auto repeats = input().rarely() ? 600U : 1U; repeats > 0; --repeats) {
            rig().device.put(group);
        }
        if (input().rarely()) {
            rig().device.release_all();
        }
    }

    /// Of types, codes and small numbers, with a sign.
    [[nodiscard]] bool may_write(std::byte byte) const override {
        const auto value = std::to_integer<int>(byte);
        return value <= EV_ABS || value == 0xff || value == ABS_MT_SLOT || value == ABS_MT_TRACKING_ID ||
               std::ranges::contains(codes, value);
    }

    [[nodiscard]] bool works() override {
        const Event pressed{.type = EventType::key, .code = KEY_A, .value = key_down};
        rig().settle();
        rig().device.release_all();
        rig().device.put({&pressed, 1});
        return send(event_queue, {{.writable = 8}}) == 8 && send(event_queue, {{.writable = 8}}) == 8;
    }
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::Input input(data, size);
    InputFuzz(input).run();
    return 0;
}
