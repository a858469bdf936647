// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "counting_log.hpp"
#include "input.hpp"
#include "kit/device_rig.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace hvisor::fuzz {

/// One buffer of a request.
struct Part {
    std::vector<std::byte> readable{}; ///< none: a writable one
    std::uint32_t writable = 0;
};

struct Request {
    std::vector<Part> parts;
    bool may_fault = false; ///< the device may take offence at it
};

/// Plays a driver against a real device: mostly a good one, now and then a bad
/// one. The input decides. Whatever it does:
///
/// - the process lives (and AddressSanitizer has nothing to say);
/// - a driver without blame never finds DEVICE_NEEDS_RESET;
/// - the device claims to have written no more than there was room for, and
///   what it wrote is what it may say to a guest, never the daemon's memory;
/// - every register access is answered;
/// - at most 10 lines are logged in 5 seconds, and no internal error;
/// - after a reset the device works.
template <class Device>
class DeviceFuzz {
  public:
    template <class... Arguments>
    explicit DeviceFuzz(Input& input, Arguments&&... arguments)
        : input_(input), rig_(std::forward<Arguments>(arguments)...) {}
    DeviceFuzz(const DeviceFuzz&) = delete;
    DeviceFuzz& operator=(const DeviceFuzz&) = delete;
    DeviceFuzz(DeviceFuzz&&) = delete;
    DeviceFuzz& operator=(DeviceFuzz&&) = delete;
    virtual ~DeviceFuzz() = default;

    void run() {
        const auto begin = std::chrono::steady_clock::now();
        static_cast<void>(take_log_count());
        restart(virtio::FeatureSet::from_bits(input_.template take<std::uint64_t>()));
        for (unsigned n = 0; n < max_steps && input_.more(); ++n) {
            step();
            if (blameless_) {
                rig_.settle();
                expect(!rig_.needs_reset(), "a driver without blame keeps its device");
            }
        }
        input_.end();
        restart({});
        expect(works(), "after a reset the device works");
        expect(!rig_.needs_reset(), "after a reset the device needs none");
        const auto logged = take_log_count();
        const auto windows = 1 + (std::chrono::steady_clock::now() - begin) / RateLimit::window;
        expect(logged.errors == 0, "a guest causes no error in the log");
        expect(logged.lines <= RateLimit::burst * windows, "a guest causes at most 10 lines in 5 seconds");
    }

  protected:
    static constexpr std::size_t ram_size = std::size_t{256} << 10;
    static constexpr std::size_t ring_space = std::size_t{32} << 10;
    static constexpr unsigned max_steps = 60;
    using Rig = kit::DeviceRig<Device, ram_size>;

    /// A request that this device understands.
    [[nodiscard]] virtual Request make_request(std::size_t queue) = 0;
    /// One good request comes back as it should.
    [[nodiscard]] virtual bool works() = 0;
    /// The device may write this byte into a buffer.
    [[nodiscard]] virtual bool may_write(std::byte byte) const = 0;
    /// Something happens at the other end of the device.
    virtual void host_step() {}
    /// Let requests end that the back end keeps.
    virtual void hurry() {}
    [[nodiscard]] virtual bool pokes_often() const { return false; }

    /// The device may take offence from now on, or may write where nobody has asked it to.
    void blame() {
        blameless_ = false;
        // What a bad chain points at may be anything from now on.
        is_data_clean_ = false;
    }

    [[nodiscard]] Input& input() { return input_; }
    [[nodiscard]] Rig& rig() { return rig_; }
    [[nodiscard]] virtio::FeatureSet negotiated() const { return features_; }
    [[nodiscard]] kit::DriverQueue& queue(std::size_t index) { return *queues_.at(index); }

    /// A chain of `parts` that comes back with this length, or nothing.
    [[nodiscard]] std::optional<std::uint32_t> send(std::size_t index, const std::vector<Part>& parts) {
        static_cast<void>(add(index, {.parts = parts}));
        rig_.driver.kick(static_cast<std::uint32_t>(index));
        std::optional<kit::DriverQueue::Used> used;
        const bool back = kit::eventually([&] { return (used = queue(index).take_used()).has_value(); },
                                          std::chrono::seconds(10));
        return back ? std::optional(used->length) : std::nullopt;
    }
    /// What is in the nth part of the chain that was added last.
    [[nodiscard]] std::vector<std::byte> latest(std::size_t part) const {
        return rig_.ram.read(latest_.at(part).first, latest_.at(part).second);
    }

  private:
    struct InFlight {
        std::uint16_t head;
        std::vector<std::pair<std::uint64_t, std::uint32_t>> writable;
    };

    [[nodiscard]] std::uint64_t data_address() const { return Rig::ram_address + ring_space; }

    void step() {
        if (pokes_often() && input_.sometimes()) {
            poke();
            return;
        }
        switch (input_.take() % 16) {
        default:
            add_some();
            break;
        case 6:
            rig_.driver.kick(input_.below(static_cast<std::uint32_t>(queues_.size()) + 2));
            break;
        case 7:
            rig_.settle();
            break;
        case 8:
        case 9:
            take_used();
            break;
        case 10:
            host_step();
            break;
        case 11:
            poke();
            break;
        case 12:
            access_config();
            break;
        case 13:
            scribble();
            break;
        case 14:
            restart(virtio::FeatureSet::from_bits(input_.template take<std::uint64_t>()));
            break;
        case 15:
            hurry();
            break;
        }
    }

    /// Reset, then a good start: new rings in clean memory.
    void restart(virtio::FeatureSet wanted) {
        answer_all();
        rig_.driver.reset();
        rig_.ram.forget_allocations();
        rig_.ram.write(Rig::ram_address, std::vector<std::byte>(ram_size, std::byte{0xee}));
        rig_.ram.write(Rig::ram_address, std::vector<std::byte>(ring_space));
        next_data_ = 0;
        const auto offered = rig_.driver.offered();
        const auto features = virtio::FeatureSet::from_bits(wanted.bits() & offered.bits()) |
                              virtio::FeatureSet{virtio::FeatureBit::version_1};
        queues_.clear();
        std::vector<const kit::DriverQueue*> pointers;
        for (std::size_t i = 0; i < rig_.device.queue_count(); ++i) {
            const bool is_packed = features.has(virtio::FeatureBit::ring_packed);
            const auto size = is_packed ? 1 + input_.below(40) : 1U << input_.below(6);
            queues_.push_back(
                kit::make_queue(features, rig_.ram,
                                static_cast<std::uint16_t>(std::max<std::uint32_t>(
                                    4, std::min<std::uint32_t>(size, rig_.device.max_queue_size(i))))));
            pointers.push_back(queues_.back().get());
        }
        in_flight_.assign(queues_.size(), {});
        features_ = features;
        rig_.bring_up(pointers, features);
        // Resets of the rig itself wait for their answer, which counts too.
        owed_ = rig_.port.answers().size();
        blameless_ = true;
        is_ring_intact_ = true;
        is_data_clean_ = true;
    }

    void add_some() {
        const auto index = input_.below(static_cast<std::uint32_t>(queues_.size()));
        auto request = make_request(index);
        if (!add(index, request)) {
            return;
        }
        if (queue(index).needs_kick() || input_.rarely()) {
            rig_.driver.kick(index);
        }
    }

    [[nodiscard]] bool add(std::size_t index, const Request& request) {
        if (!is_ring_intact_ || request.parts.empty()) {
            return false;
        }
        auto chain = lay_out(request);
        InFlight record{.head = 0, .writable = {}};
        for (const auto& descriptor : chain) {
            if ((descriptor.flags & kit::desc_write) != 0) {
                record.writable.emplace_back(descriptor.address, descriptor.length);
            }
        }
        spoil(chain, index);
        const bool in_table = queue(index).free_descriptors() < chain.size() || input_.sometimes();
        if (in_table && !indirect(chain)) {
            return false;
        }
        if (queue(index).free_descriptors() < chain.size()) {
            return false;
        }
        blameless_ = blameless_ && !request.may_fault;
        record.head = queue(index).add(chain);
        in_flight_.at(index).push_back(std::move(record));
        return true;
    }

    /// Buffers one after the other in the memory behind the rings.
    [[nodiscard]] std::vector<kit::Descriptor> lay_out(const Request& request) {
        latest_.clear();
        std::vector<kit::Descriptor> chain;
        for (const auto& part : request.parts) {
            const bool is_writable = part.readable.empty();
            const auto length =
                is_writable ? part.writable : static_cast<std::uint32_t>(part.readable.size());
            const auto address = place(length);
            if (!is_writable) {
                rig_.ram.write(address, part.readable);
            }
            latest_.emplace_back(address, length);
            chain.push_back({.address = address,
                             .length = length,
                             .flags = is_writable ? kit::desc_write : std::uint16_t{0},
                             .next = 0});
        }
        return chain;
    }

    [[nodiscard]] std::uint64_t place(std::uint32_t length) {
        constexpr auto space = ram_size - ring_space;
        expect(length <= space, "the target's requests fit");
        if (length > space - next_data_) {
            next_data_ = 0;
            // From now on buffers lie on each other.
            is_data_clean_ = false;
        }
        const auto address = data_address() + next_data_;
        next_data_ += length;
        return address;
    }

    /// The knobs of a bad driver.
    void spoil(std::vector<kit::Descriptor>& chain, std::size_t index) {
        if (!input_.rarely()) {
            return;
        }
        blame();
        auto& victim = chain[input_.below(static_cast<std::uint32_t>(chain.size()))];
        switch (input_.below(5)) {
        case 0:
            victim.address = odd_address(index);
            // The device may write into the rings.
            is_ring_intact_ = false;
            break;
        case 1:
            victim.length = input_.template take<std::uint32_t>();
            break;
        case 2:
            victim.flags ^= kit::desc_write;
            break;
        case 3:
            victim.flags = input_.template take<std::uint16_t>();
            // The chain may go on where the next one will be.
            is_ring_intact_ = false;
            break;
        default:
            victim.address += input_.template take<std::uint16_t>();
            break;
        }
    }

    [[nodiscard]] std::uint64_t odd_address(std::size_t index) {
        const std::array addresses{std::uint64_t{0},           UINT64_MAX,
                                   Rig::ram_address - 1,       Rig::ram_address + ram_size - 1,
                                   queue(index).descriptors(), queue(index).driver_area(),
                                   queue(index).device_area(), input_.template take<std::uint64_t>()};
        return addresses.at(input_.below(addresses.size()));
    }

    /// The chain becomes one descriptor; false when the driver did not negotiate that.
    [[nodiscard]] bool indirect(std::vector<kit::Descriptor>& chain) {
        const bool may = features_.has(virtio::FeatureBit::ring_indirect_desc);
        if (!may && !input_.rarely()) {
            return false;
        }
        if (!may) {
            blame();
        }
        const auto length = static_cast<std::uint32_t>(chain.size() * sizeof(kit::Descriptor));
        next_data_ = (next_data_ + 15) / 16 * 16;
        const auto address = place(length + 16) / 16 * 16;
        queues_.front()->write_table(address, chain);
        chain = {{.address = address, .length = length, .flags = kit::desc_indirect, .next = 0}};
        return true;
    }
    void take_used() {
        if (!is_ring_intact_) {
            return;
        }
        rig_.driver.acknowledge();
        for (std::size_t i = 0; i < queues_.size(); ++i) {
            while (const auto used = queue(i).take_used()) {
                check_used(in_flight_.at(i), *used);
            }
        }
    }

    void check_used(std::vector<InFlight>& in_flight, const kit::DriverQueue::Used& used) const {
        const auto found = std::ranges::find(in_flight, used.head, &InFlight::head);
        if (found == in_flight.end()) {
            expect(!blameless_, "only what was made available comes back");
            return;
        }
        const auto chain = *found;
        in_flight.erase(found);
        std::uint64_t left = used.length;
        for (const auto& [address, length] : chain.writable) {
            const auto claimed = std::min<std::uint64_t>(left, length);
            left -= claimed;
            if (!is_data_clean_) {
                continue;
            }
            for (const auto byte : rig_.ram.read(address, claimed)) {
                expect(may_write(byte), "a guest reads only what its device may say");
            }
        }
        expect(left == 0 || !blameless_, "no more is claimed to be written than there was room for");
    }

    /// Any register, mostly with a value that means something there.
    void poke() {
        using enum virtio::Register;
        static constexpr std::array registers{device_features_sel,
                                              driver_features_sel,
                                              driver_features,
                                              queue_sel,
                                              queue_num,
                                              queue_ready,
                                              queue_notify,
                                              interrupt_ack,
                                              virtio::Register::status,
                                              queue_desc_low,
                                              queue_desc_high,
                                              queue_driver_low,
                                              queue_driver_high,
                                              queue_device_low,
                                              queue_device_high,
                                              shm_sel,
                                              queue_reset,
                                              config_generation};
        blame();
        is_ring_intact_ = false;
        auto offset = static_cast<std::uint64_t>(registers.at(input_.below(registers.size())));
        unsigned size = 4;
        if (input_.rarely()) {
            offset = input_.template take<std::uint16_t>();
            size = 1U << input_.below(4);
        }
        const auto kind = input_.below(4);
        const std::uint64_t value = kind == 0   ? input_.below(20)
                                    : kind == 1 ? input_.template take<std::uint32_t>()
                                    : kind == 2 ? Rig::ram_address + 16 * input_.below(2048)
                                                : 1U << input_.below(9);
        access(offset, size, true, value);
        access(offset, size, false, 0);
    }

    void access_config() {
        const std::uint64_t offset =
            0x100 + (input_.rarely() ? input_.template take<std::uint16_t>() : input_.below(80));
        const auto size = 1U << input_.below(4);
        if (input_.sometimes()) {
            blameless_ = false;
            access(offset, size, true, input_.template take<std::uint64_t>());
        } else {
            access(offset, size, false, 0);
        }
    }

    void access(std::uint64_t offset, unsigned size, bool is_write, std::uint64_t value) {
        if (size < 8) {
            value &= (std::uint64_t{1} << (8 * size)) - 1;
        }
        const auto answer = rig_.start_access(offset, size, is_write, value);
        if (!answer) {
            expect(is_write, "a read is answered at once");
            ++owed_;
        } else {
            expect(size == 8 || *answer >> (8 * size) == 0, "an answer is as wide as its question");
        }
    }

    /// Every access that was not answered at once is answered, once.
    void answer_all() {
        hurry();
        expect(rig_.port.wait_for_answers(owed_, std::chrono::seconds(10)), "every access is answered");
        rig_.settle();
    }

    /// The driver writes into its rings, behind the device's back.
    void scribble() {
        if (!input_.sometimes()) {
            return;
        }
        blame();
        is_ring_intact_ = false;
        for (auto count = 1 + input_.below(16); count > 0; --count) {
            const auto& target = queue(input_.below(static_cast<std::uint32_t>(queues_.size())));
            const std::array areas{target.descriptors(), target.driver_area(), target.device_area()};
            const auto offset = input_.below(target.size() * 16U) / 2 * 2;
            rig_.ram.template store<std::uint16_t>(areas.at(input_.below(areas.size())) + offset,
                                                   input_.template take<std::uint16_t>());
        }
        rig_.driver.kick(0);
    }

    Input& input_;
    Rig rig_;
    virtio::FeatureSet features_;
    std::vector<std::unique_ptr<kit::DriverQueue>> queues_;
    std::vector<std::vector<InFlight>> in_flight_; ///< by queue
    std::vector<std::pair<std::uint64_t, std::uint32_t>> latest_;
    std::size_t next_data_ = 0;
    std::size_t owed_ = 0; ///< answers, all in all
    bool blameless_ = true;
    bool is_ring_intact_ = true;
    bool is_data_clean_ = true;
};

} // namespace hvisor::fuzz
