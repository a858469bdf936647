// SPDX-License-Identifier: Apache-2.0
#include "devices/input/evdev_file.hpp"

#include "base/errno_text.hpp"
#include "base/error_table.hpp"
#include "base/unique_fd.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <fcntl.h>
#include <linux/input.h>
#include <span>
#include <sys/ioctl.h>
#include <utility>

namespace hvisor::devices::input {
namespace {

class KernelEvdev final : public EvdevFile {
  public:
    explicit KernelEvdev(UniqueFd file) : file_(std::move(file)) {}

    [[nodiscard]] int fd() const override { return file_.get(); }
    int call(unsigned long request, void* argument) override {
        return ::ioctl(file_.get(), request, argument);
    }

  private:
    UniqueFd file_;
};

using BitBuffer = std::array<std::byte, max_codes / 8>;

/// The bits that the kernel fills in; none where it has none.
template <class Request>
BitBuffer read_bits(EvdevFile& file, Request request) {
    BitBuffer bits{};
    if (file.call(request(bits.size()), bits.data()) < 0) {
        bits.fill(std::byte{0});
    }
    return bits;
}

bool is_set(const BitBuffer& bits, std::size_t number) {
    return (bits.at(number / 8) & std::byte{1} << (number % 8)) != std::byte{0};
}

template <class Request>
std::string read_text(EvdevFile& file, Request request) {
    std::array<char, max_answer + 1> text{};
    if (file.call(request(text.size() - 1), text.data()) < 0) {
        return {};
    }
    return text.data();
}

BitBuffer read_keys(EvdevFile& file) {
    return read_bits(file, [](std::size_t size) { return EVIOCGKEY(size); });
}

/// Codes of each type as Linux counts them; more than that the kernel never says.
void add_codes(EvdevFile& file, const BitBuffer& types, EventType type, std::size_t count,
               Capabilities& capabilities) {
    if (is_set(types, std::to_underlying(type))) {
        const auto bits =
            read_bits(file, [type](std::size_t size) { return EVIOCGBIT(std::to_underlying(type), size); });
        capabilities.add_bits(type, std::span(bits).first((count + 7) / 8));
    }
}

void add_axes(EvdevFile& file, Capabilities& capabilities) {
    for (std::uint16_t axis = 0; axis < ABS_CNT; ++axis) {
        input_absinfo info{};
        if (capabilities.has(EventType::absolute, axis) && file.call(EVIOCGABS(axis), &info) >= 0) {
            capabilities.add_axis(axis, {.min = std::bit_cast<std::uint32_t>(info.minimum),
                                         .max = std::bit_cast<std::uint32_t>(info.maximum),
                                         .fuzz = std::bit_cast<std::uint32_t>(info.fuzz),
                                         .flat = std::bit_cast<std::uint32_t>(info.flat),
                                         .res = std::bit_cast<std::uint32_t>(info.resolution)});
        }
    }
}

/// Which finger is in which slot (EVIOCGMTSLOTS).
void add_contacts(EvdevFile& file, std::vector<Event>& events) {
    struct Request {
        std::uint32_t code = ABS_MT_TRACKING_ID;
        std::array<std::int32_t, 64> ids{};
    };
    input_absinfo slots{};
    Request request;
    request.ids.fill(-1);
    if (file.call(EVIOCGABS(ABS_MT_SLOT), &slots) < 0 ||
        file.call(EVIOCGMTSLOTS(sizeof request), &request) < 0) {
        return;
    }
    for (std::int32_t slot = 0; slot <= slots.maximum && std::cmp_less(slot, request.ids.size()); ++slot) {
        events.push_back({.type = EventType::absolute, .code = ABS_MT_SLOT, .value = slot});
        events.push_back({.type = EventType::absolute,
                          .code = ABS_MT_TRACKING_ID,
                          .value = request.ids.at(static_cast<std::size_t>(slot))});
    }
    events.push_back({.type = EventType::absolute, .code = ABS_MT_SLOT, .value = slots.value});
}

} // namespace

Result<std::unique_ptr<EvdevFile>> open_evdev_file(const std::string& path) {
    UniqueFd file(::open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
    if (!file) {
        return fail(error_code_of_errno(errno), "{}: {}", path, errno_text());
    }
    return std::make_unique<KernelEvdev>(std::move(file));
}

Result<Capabilities> read_capabilities(EvdevFile& file) {
    input_id ids{};
    if (file.call(EVIOCGID, &ids) < 0) {
        return fail(ErrorCode::invalid_config, "this is no input device: {}", errno_text());
    }
    Capabilities capabilities;
    capabilities.name = read_text(file, [](std::size_t size) { return EVIOCGNAME(size); });
    capabilities.serial = read_text(file, [](std::size_t size) { return EVIOCGUNIQ(size); });
    capabilities.ids = {
        .bustype = ids.bustype, .vendor = ids.vendor, .product = ids.product, .version = ids.version};
    const auto properties = read_bits(file, [](std::size_t size) { return EVIOCGPROP(size); });
    for (std::uint16_t property = 0; property < INPUT_PROP_CNT; ++property) {
        if (is_set(properties, property)) {
            capabilities.add_property(property);
        }
    }
    const auto types = read_bits(file, [](std::size_t size) { return EVIOCGBIT(0, size); });
    add_codes(file, types, EventType::key, KEY_CNT, capabilities);
    add_codes(file, types, EventType::relative, REL_CNT, capabilities);
    add_codes(file, types, EventType::absolute, ABS_CNT, capabilities);
    add_codes(file, types, EventType::miscellaneous, MSC_CNT, capabilities);
    add_codes(file, types, EventType::switches, SW_CNT, capabilities);
    add_codes(file, types, EventType::led, LED_CNT, capabilities);
    add_codes(file, types, EventType::sound, SND_CNT, capabilities);
    if (is_set(types, std::to_underlying(EventType::repeat))) {
        // EVIOCGBIT knows no codes of this type; there are these two.
        capabilities.add(EventType::repeat, {REP_DELAY, REP_PERIOD});
    }
    add_axes(file, capabilities);
    return capabilities;
}

bool has_key_down(EvdevFile& file) {
    return std::ranges::any_of(read_keys(file), [](std::byte byte) { return byte != std::byte{0}; });
}

std::vector<Event> read_state(EvdevFile& file, const Capabilities& capabilities) {
    std::vector<Event> events;
    for (std::uint16_t axis = 0; axis < ABS_MT_SLOT; ++axis) {
        input_absinfo info{};
        if (capabilities.has(EventType::absolute, axis) && file.call(EVIOCGABS(axis), &info) >= 0) {
            events.push_back({.type = EventType::absolute, .code = axis, .value = info.value});
        }
    }
    if (capabilities.has(EventType::absolute, ABS_MT_TRACKING_ID)) {
        add_contacts(file, events);
    }
    const auto keys = read_keys(file);
    const auto switches = read_bits(file, [](std::size_t size) { return EVIOCGSW(size); });
    for (std::uint16_t code = 0; code < max_codes; ++code) {
        if (capabilities.has(EventType::key, code)) {
            events.push_back({.type = EventType::key, .code = code, .value = is_set(keys, code) ? 1 : 0});
        }
        if (capabilities.has(EventType::switches, code)) {
            events.push_back(
                {.type = EventType::switches, .code = code, .value = is_set(switches, code) ? 1 : 0});
        }
    }
    return events;
}

} // namespace hvisor::devices::input
