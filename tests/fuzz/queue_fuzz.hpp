// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "input.hpp"
#include "kit/packed_queue.hpp"
#include "virtio/queue.hpp"

#include <memory>
#include <utility>
#include <vector>

namespace hvisor::fuzz {

/// A queue alone, over ring memory that a driver writes in any way. Each chain
/// lies in guest memory, no more are out than the queue has entries, and what
/// the device does never touches other memory than the guest's: that lies in an
/// allocation of its own, so AddressSanitizer guards it.
class QueueFuzz {
  public:
    QueueFuzz(Input& input, virtio::FeatureSet ring)
        : input_(input),
          features_(virtio::FeatureSet::from_bits(input.take<std::uint64_t>() & optional.bits()) | ring),
          size_(pick_size()),
          driver_(kit::make_queue(features_, ram_, size_)),
          queue_(*virtio::QueueLayout::create({.size = size_,
                                               .descriptors = driver_->descriptors(),
                                               .driver = driver_->driver_area(),
                                               .device = driver_->device_area()},
                                              size_, is_packed(), memory_),
                 memory_, features_, state_) {}

    void run() {
        for (unsigned n = 0; n < 300 && input_.more() && !failed_; ++n) {
            step();
            expect(queue_.in_flight() == held_.size(), "every chain is out or back");
            expect(held_.size() <= size_, "no more chains are out than the queue has entries");
        }
        held_.clear();
        expect(queue_.in_flight() == 0, "every chain goes back");
        queue_.publish(virtio::Queue::Clock::now());
    }

  private:
    /// The rings, then buffers, then one indirect table.
    static constexpr std::size_t ring_space = 2048;
    static constexpr std::size_t data_space = 4096;
    static constexpr std::size_t ram_size = ring_space + data_space + 64;
    static constexpr virtio::FeatureSet optional{virtio::FeatureBit::ring_event_idx,
                                                 virtio::FeatureBit::ring_indirect_desc,
                                                 virtio::FeatureBit::in_order};

    [[nodiscard]] bool is_packed() const { return features_.has(virtio::FeatureBit::ring_packed); }
    [[nodiscard]] std::uint16_t pick_size() {
        return static_cast<std::uint16_t>(is_packed() ? 1 + input_.below(32) : 1U << input_.below(6));
    }
    [[nodiscard]] static guest::GuestMemory make_memory(const kit::Ram& ram) {
        std::vector<guest::Region> regions;
        regions.push_back(ram.region());
        return std::move(*guest::GuestMemory::create(std::move(regions)));
    }

    void step() {
        switch (input_.take() % 10) {
        case 0:
        case 1:
            add();
            break;
        case 2:
        case 3:
            pop(false);
            break;
        case 4:
            pop(true);
            break;
        case 5:
            complete();
            break;
        case 6:
            queue_.publish(virtio::Queue::Clock::now());
            static_cast<void>(queue_.take_interrupt_request());
            static_cast<void>(queue_.driver_is_behind());
            break;
        case 7:
            rearm();
            break;
        case 8:
            write_anything();
            break;
        default:
            take_used();
            break;
        }
    }

    /// What a driver would add, with a descriptor now and then that is not right.
    void add() {
        const auto length = 1 + input_.below(4);
        std::vector<kit::Descriptor> chain;
        const auto readable = input_.below(length + 1);
        for (std::uint32_t i = 0; i < length; ++i) {
            kit::Descriptor descriptor{.address =
                                           ram_.address() + ring_space + input_.below(data_space - 255),
                                       .length = input_.take(),
                                       .flags = i < readable ? std::uint16_t{0} : kit::desc_write,
                                       .next = 0};
            if (input_.rarely()) {
                descriptor.address = input_.take<std::uint64_t>();
                descriptor.length = input_.take<std::uint32_t>();
                descriptor.flags = input_.take<std::uint16_t>();
                // It may lead into the rings.
                broken_ = true;
            }
            chain.push_back(descriptor);
        }
        if (input_.sometimes()) {
            const auto address = ram_.address() + ring_space + data_space;
            driver_->write_table(address, chain);
            const auto bytes = static_cast<std::uint32_t>(chain.size() * sizeof(kit::Descriptor));
            chain = {{.address = address, .length = bytes, .flags = kit::desc_indirect, .next = 0}};
            if (input_.rarely()) {
                chain.front().address = input_.take<std::uint64_t>();
                chain.front().length = input_.take<std::uint32_t>();
                broken_ = true;
            }
        }
        if (driver_->free_descriptors() >= chain.size()) {
            driver_->add(chain);
            static_cast<void>(driver_->needs_kick());
        }
    }

    void pop(bool put_back) {
        const bool has = queue_.has_available();
        const auto before = state_.indices.next_avail();
        auto chain = queue_.pop();
        if (!chain) {
            // After a fault nobody touches the queue any more.
            failed_ = true;
            return;
        }
        expect(has == chain->has_value(), "has_available() is right");
        if (!*chain) {
            return;
        }
        check_inside((*chain)->reader());
        check_inside((*chain)->writer());
        expect(is_packed() || (*chain)->id() < size_, "a head is a descriptor");
        if (put_back) {
            (*chain)->put_back();
            expect(state_.indices.next_avail() == before, "to put back undoes to pop");
        } else {
            held_.push_back(std::move(**chain));
        }
    }

    void check_inside(const virtio::BufferCursor& cursor) const {
        std::vector<iovec> pieces;
        cursor.peek(cursor.remaining(), pieces);
        for (const auto& piece : pieces) {
            const auto* begin = static_cast<const std::byte*>(piece.iov_base);
            expect(begin >= ram_.at(ram_.address()) &&
                       piece.iov_len <= static_cast<std::size_t>(ram_.at(ram_.address()) + ram_size - begin),
                   "a chain lies in guest memory");
        }
    }

    void complete() {
        if (held_.empty()) {
            return;
        }
        const auto which = held_.begin() + input_.below(static_cast<std::uint32_t>(held_.size()));
        auto writer = which->writer();
        which->set_written(writer.fill_zero(input_.take()));
        held_.erase(which);
    }

    void rearm() {
        if (input_.sometimes()) {
            queue_.disable_notifications();
        } else {
            expect(queue_.enable_notifications() == queue_.has_available(),
                   "the re-check sees what is there");
        }
    }

    void write_anything() {
        for (auto count = input_.below(8); count > 0; --count) {
            ram_.store<std::uint16_t>(ram_.address() + input_.below(ram_size) / 2 * 2,
                                      input_.take<std::uint16_t>());
        }
        broken_ = true;
    }

    void take_used() {
        while (!broken_ && driver_->take_used()) {
        }
    }

    Input& input_;
    virtio::FeatureSet features_;
    std::uint16_t size_;
    kit::Ram ram_{0x40000000, ram_size};
    guest::GuestMemory memory_ = make_memory(ram_);
    std::unique_ptr<kit::DriverQueue> driver_;
    virtio::QueueState state_;
    virtio::Queue queue_;
    std::vector<virtio::Chain> held_;
    bool failed_ = false;
    bool broken_ = false;
};

} // namespace hvisor::fuzz
