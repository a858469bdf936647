// SPDX-License-Identifier: Apache-2.0
#include "virtio/mmio_transport.hpp"

#include <array>
#include <functional>
#include <span>
#include <utility>

namespace hvisor::virtio {
namespace {

constexpr std::uint32_t magic = 0x74726976; // "virt"
constexpr std::uint32_t version = 2;
constexpr std::uint32_t vendor = 0x48564953; // "HVIS"
constexpr std::uint32_t no_region = UINT32_MAX;
constexpr std::uint64_t config_space = std::to_underlying(Register::config);

/// The address that one of QueueDescLow … QueueDeviceHigh is a half of.
std::uint64_t& address_of(QueueRegisters& queue, Register which) {
    switch (which) {
    case Register::queue_desc_low:
    case Register::queue_desc_high:
        return queue.descriptors;
    case Register::queue_driver_low:
    case Register::queue_driver_high:
        return queue.driver;
    default:
        return queue.device;
    }
}

/// What other CPUs go on with while one waits for a queue to stop: the other
/// queues run, and a notification that is ignored would not come again.
constexpr bool is_of_running_queues(Register which) {
    return which == Register::queue_notify || which == Register::interrupt_ack;
}

/// High halves stand 4 bytes behind the low ones.
void set_half(std::uint64_t& address, Register which, std::uint32_t value) {
    const unsigned shift = std::to_underlying(which) % 8 != 0 ? 32 : 0;
    address = (address & ~(std::uint64_t{UINT32_MAX} << shift)) | std::uint64_t{value} << shift;
}

} // namespace

std::optional<std::uint64_t> MmioTransport::access(const RegisterAccess& access) {
    last_offset_.set(static_cast<std::uint32_t>(access.offset));
    accesses_.add(1);
    if (access.offset >= config_space) {
        if (access.is_write) {
            write_config(access);
            return 0;
        }
        return read_config(access);
    }
    // virtio 1.2, 4.2.2.2: only aligned accesses of 32 bits.
    if (access.size != 4 || access.offset % 4 != 0) {
        device_.warn("access of {} bytes to register {:#x} ignored, 4 are needed", access.size,
                     access.offset);
        return 0;
    }
    const auto which = static_cast<Register>(access.offset);
    if (!access.is_write) {
        return read(which);
    }
    if (is_stopping() && !is_of_running_queues(which)) {
        return 0;
    }
    return write(which, access);
}

std::uint64_t MmioTransport::read_config(const RegisterAccess& access) const {
    std::array<std::byte, 8> bytes{};
    device_.read_config(access.offset - config_space, std::span(bytes).first(access.size));
    std::uint64_t value = 0;
    for (unsigned i = 0; i < access.size; ++i) {
        value |= std::to_integer<std::uint64_t>(bytes.at(i)) << (8 * i);
    }
    return value;
}

void MmioTransport::write_config(const RegisterAccess& access) const {
    std::array<std::byte, 8> bytes{};
    for (unsigned i = 0; i < access.size; ++i) {
        bytes.at(i) = static_cast<std::byte>(access.value >> (8 * i));
    }
    const auto offset = access.offset - config_space;
    if (!device_.write_config(offset, std::span(bytes).first(access.size))) {
        device_.warn("write of {} bytes to the configuration space at {:#x} ignored", access.size, offset);
    }
}

const QueueRegisters* MmioTransport::selected() const {
    return registers_.queue_sel < device_.queue_count() ? &registers_.queues.at(registers_.queue_sel)
                                                        : nullptr;
}

QueueRegisters* MmioTransport::selected() {
    return const_cast<QueueRegisters*>(std::as_const(*this).selected());
}

std::uint32_t MmioTransport::read(Register which) const {
    const auto* queue = selected();
    switch (which) {
    case Register::magic_value:
        return magic;
    case Register::version:
        return version;
    case Register::device_id:
        return device_.device_id();
    case Register::vendor_id:
        return vendor;
    case Register::device_features:
        return device_.features().word(registers_.device_features_sel);
    case Register::queue_num_max:
        // virtio 1.2, 4.2.2: 0 is "no such queue".
        return queue != nullptr ? device_.max_queue_size(registers_.queue_sel) : 0;
    case Register::queue_ready:
        return queue != nullptr ? queue->ready.get() : 0;
    case Register::queue_reset:
        // virtio 1.2, 2.6.1: 1 as long as the reset goes on.
        return queue != nullptr ? queue->resetting.get() : 0;
    case Register::interrupt_status:
        return device_.interrupt().status();
    case Register::config_generation:
        return device_.config_generation();
    case Register::status:
        return status();
    case Register::shm_len_low:
    case Register::shm_len_high:
    case Register::shm_base_low:
    case Register::shm_base_high:
        // virtio 1.2, 4.2.2.1: no shared memory region has any number.
        return no_region;
    default:
        // Write-only, or no register.
        return 0;
    }
}

std::optional<std::uint64_t> MmioTransport::write(Register which, const RegisterAccess& access) {
    const auto value = static_cast<std::uint32_t>(access.value);
    switch (which) {
    case Register::device_features_sel:
        registers_.device_features_sel = value;
        return 0;
    case Register::driver_features:
        write_driver_features(value);
        return 0;
    case Register::driver_features_sel:
        registers_.driver_features_sel = value;
        return 0;
    case Register::queue_sel:
        // Any number may be selected; those that are no queue lead nowhere.
        registers_.queue_sel = value;
        return 0;
    case Register::queue_num:
    case Register::queue_desc_low:
    case Register::queue_desc_high:
    case Register::queue_driver_low:
    case Register::queue_driver_high:
    case Register::queue_device_low:
    case Register::queue_device_high:
        write_queue(which, value);
        return 0;
    case Register::queue_ready:
        return write_queue_ready(value, access);
    case Register::queue_reset:
        return write_queue_reset(value, access);
    case Register::queue_notify:
        if (value < device_.queue_count()) {
            device_.kick(value);
        } else {
            device_.warn("notification of queue {}, which is not there, ignored", value);
        }
        return 0;
    case Register::interrupt_ack:
        device_.interrupt().acknowledge(value);
        return 0;
    case Register::status:
        return write_status(value, access);
    default:
        return 0;
    }
}

void MmioTransport::write_driver_features(std::uint32_t value) {
    // virtio 1.2, 2.2.2: what was agreed on with FEATURES_OK stays.
    if ((registers_.status.get() & status::features_ok) != 0) {
        return;
    }
    auto features = FeatureSet::from_bits(registers_.driver_features);
    features.set_word(registers_.driver_features_sel, value);
    registers_.driver_features = features.bits();
    if (registers_.driver_features_sel > 1 && value != 0) {
        device_.warn("feature bits {} and above do not exist", 32 * 2);
    }
}

void MmioTransport::write_queue(Register which, std::uint32_t value) {
    auto* queue = selected();
    // A queue that is ready is in use: its registers are frozen.
    if (queue == nullptr || queue->ready.get() != 0) {
        return;
    }
    if (which == Register::queue_num) {
        // EDK II's driver for GPUs writes 0, which is no size, and means the one that it began with.
        if (value != 0) {
            queue->size.set(value);
        }
    } else {
        set_half(address_of(*queue, which), which, value);
    }
}

std::optional<std::uint64_t> MmioTransport::write_queue_ready(std::uint32_t value,
                                                              const RegisterAccess& access) {
    auto* queue = selected();
    if (queue == nullptr || value > 1 || value == queue->ready.get()) {
        return 0;
    }
    if (value == 1) {
        make_queue_ready(*queue);
        return 0;
    }
    return stop_selected_queue(access, DriverWait::queue_disabled);
}

std::optional<std::uint64_t> MmioTransport::write_queue_reset(std::uint32_t value,
                                                              const RegisterAccess& access) {
    auto* queue = selected();
    if (queue == nullptr || value != 1 || !negotiated(FeatureBit::ring_reset)) {
        return 0;
    }
    queue->resetting.set(1);
    return stop_selected_queue(access, DriverWait::queue_reset);
}

bool MmioTransport::negotiated(FeatureBit bit) const {
    return (registers_.status.get() & status::features_ok) != 0 &&
           FeatureSet::from_bits(registers_.driver_features).has(bit);
}

void MmioTransport::make_queue_ready(QueueRegisters& queue) {
    const bool is_running = (registers_.status.get() & status::driver_ok) != 0;
    // virtio 1.2, 3.1.1: queues are set up between FEATURES_OK and DRIVER_OK;
    // 2.6.1: and again after a reset of their own.
    if ((registers_.status.get() & status::features_ok) == 0 ||
        (is_running && !negotiated(FeatureBit::ring_reset))) {
        device_.warn("queue {} became ready {}: ignored", registers_.queue_sel,
                     is_running ? "after DRIVER_OK" : "before FEATURES_OK");
        return;
    }
    const auto layout = layout_of(registers_.queue_sel);
    if (!layout) {
        device_.require_reset(
            std::format("queue {}: {} (size {}, descriptors {:#x}, driver area {:#x}, device area {:#x})",
                        registers_.queue_sel, layout.error(), queue.size.get(), queue.descriptors,
                        queue.driver, queue.device));
        return;
    }
    layouts_.at(registers_.queue_sel) = *layout;
    queue.ready.set(1);
    if (is_running) {
        device_.start_queue(registers_.queue_sel, *layout);
    }
}

std::expected<QueueLayout, std::string_view> MmioTransport::layout_of(std::size_t queue) const {
    const auto& registers = registers_.queues.at(queue);
    return QueueLayout::create({.size = registers.size.get(),
                                .descriptors = registers.descriptors,
                                .driver = registers.driver,
                                .device = registers.device},
                               device_.max_queue_size(queue), negotiated(FeatureBit::ring_packed),
                               *device_.context().memory);
}

bool MmioTransport::accept_features() {
    const auto features = FeatureSet::from_bits(registers_.driver_features);
    // virtio 1.2, 2.2.2: refuse what was not offered; 6.1: this transport needs VERSION_1.
    if (features.is_subset_of(device_.features()) && features.has(FeatureBit::version_1)) {
        return true;
    }
    device_.warn("the driver's features {:#x} refused, offered are {:#x} and VERSION_1 is needed",
                 features.bits(), device_.features().bits());
    return false;
}

std::optional<std::uint64_t> MmioTransport::write_status(std::uint32_t value, const RegisterAccess& access) {
    if (value == 0) {
        return reset(access);
    }
    const auto before = registers_.status.get();
    // virtio 1.2, 2.1.1: the driver only adds bits.
    auto after = before | (value & status::settable);
    const auto added = after & ~before;
    if ((added & status::features_ok) != 0 && !accept_features()) {
        after &= ~status::features_ok;
    }
    if ((added & status::driver_ok) != 0 && ((after & status::features_ok) == 0 || device_.needs_reset())) {
        device_.warn("DRIVER_OK without FEATURES_OK, or before a reset that is needed, ignored");
        after &= ~status::driver_ok;
    }
    registers_.status.set(after);
    if ((after & ~before & status::driver_ok) != 0) {
        device_.activate(FeatureSet::from_bits(registers_.driver_features), layouts_);
    }
    return 0;
}

std::uint32_t MmioTransport::status() const {
    return registers_.status.get() | (device_.needs_reset() ? status::needs_reset : 0);
}

std::uint16_t MmioTransport::queue_size(std::size_t queue) const {
    return static_cast<std::uint16_t>(registers_.queues.at(queue).size.get());
}

bool MmioTransport::queue_ready(std::size_t queue) const {
    return registers_.queues.at(queue).ready.get() != 0;
}

std::string MmioTransport::last_register() const {
    const auto offset = last_offset_.get();
    return offset == UINT32_MAX ? std::string() : register_name(offset);
}

} // namespace hvisor::virtio
