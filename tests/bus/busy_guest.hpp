// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/mapping.hpp"
#include "base/unique_fd.hpp"
#include "devices/block/config.hpp"
#include "hypervisor/simulated.hpp"
#include "kit/mmio_driver.hpp"
#include "kit/ram.hpp"
#include "kit/split_queue.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <fcntl.h>
#include <format>
#include <mutex>
#include <random>
#include <span>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

// A guest at work, with its own view of what has to come back: nothing of it may be lost,
// or come twice, whatever happens to the daemon.
namespace hvisor::test {

using namespace std::chrono_literals;
using devices::block::RequestHeader;
using devices::block::RequestType;
using Clock = std::chrono::steady_clock;

inline constexpr std::uint32_t zone = 1;
inline constexpr std::uint64_t ram_address = 0x50000000;
/// Of the zone's RAM: its kernel is behind it.
inline constexpr std::size_t half = std::size_t{1} << 20;

inline constexpr const char* not_answered = "a register access was not answered";

/// What of a run went wrong, from any thread.
class Faults {
  public:
    void add(const std::string& what) {
        const std::scoped_lock guard(lock_);
        if (text_.empty()) {
            text_ = what;
        }
    }
    [[nodiscard]] std::string text() const {
        const std::scoped_lock guard(lock_);
        return text_;
    }

  private:
    mutable std::mutex lock_;
    std::string text_;
};

/// One device of the guest, on a CPU of its own.
struct GuestPart {
    GuestPart(hypervisor::Simulated& its_machine, std::uint32_t its_cpu, std::uint64_t its_address,
              std::uint32_t its_interrupt, std::uint64_t ram_begin)
        : machine(its_machine),
          cpu(its_cpu),
          address(its_address),
          interrupt(its_interrupt),
          mapping(machine.map_ram(ram_begin, half).value()),
          ram(ram_begin, mapping.data(), mapping.size()) {}

    void bring_up(const std::vector<kit::DriverQueue*>& queues) const {
        bool is_well = driver.negotiate(kit::split_features);
        for (std::uint32_t i = 0; i < queues.size(); ++i) {
            is_well = is_well && driver.set_up_queue(i, *queues[i]);
        }
        if (!is_well) {
            throw std::runtime_error("the device refuses its driver");
        }
        driver.start();
    }
    /// As an interrupt handler does, and a driver that looks again after a while does no harm.
    void wait() const {
        if (machine.take_interrupt(zone, interrupt, 2ms)) {
            driver.acknowledge();
            machine.end_interrupt(zone, interrupt);
        }
    }

    hypervisor::Simulated& machine;
    std::uint32_t cpu;
    std::uint64_t address;
    std::uint32_t interrupt;
    Mapping mapping;
    kit::Ram ram;
    kit::MmioDriver driver{[this](std::uint64_t offset, unsigned size) {
                               const auto value = machine.guest_read(cpu, address + offset, size);
                               if (!value) {
                                   throw std::runtime_error(not_answered);
                               }
                               return *value;
                           },
                           [this](std::uint64_t offset, unsigned size, std::uint64_t value) {
                               if (!machine.guest_write(cpu, address + offset, size, value)) {
                                   throw std::runtime_error(not_answered);
                               }
                           }};
};

/// Writes blocks of its disk and reads them back, some at a time; each block has the number of
/// its latest write in all its words.
class DiskGuest {
  public:
    DiskGuest(hypervisor::Simulated& machine, Faults& faults)
        : part_(machine, 2, 0xa003c00, 78, ram_address), faults_(faults) {
        for (auto& slot : slots_) {
            slot.header = part_.ram.allocate(sizeof(RequestHeader), 16);
            slot.data = part_.ram.allocate(block, 16);
            slot.status = part_.ram.allocate(1);
        }
    }

    void bring_up() { part_.bring_up({&queue_}); }

    void run(const std::stop_token& stopped) {
        std::minstd_rand chance(1);
        auto latest = Clock::now();
        while (!stopped.stop_requested() || busy_ != 0) {
            for (auto& slot : slots_) {
                if (!slot.is_busy && !stopped.stop_requested()) {
                    submit(slot, chance);
                }
            }
            if (queue_.needs_kick()) {
                part_.driver.kick(0);
            }
            part_.wait();
            while (const auto used = queue_.take_used()) {
                finish(*used);
                latest = Clock::now();
            }
            if (Clock::now() - latest > 20s) {
                faults_.add("the disk answers no more");
                return;
            }
        }
    }

    [[nodiscard]] std::uint64_t answered() const { return answered_; }

  private:
    static constexpr std::uint32_t block = 4096;
    static constexpr std::size_t blocks = 256; // of the image
    struct Slot {
        std::uint64_t header = 0;
        std::uint64_t data = 0;
        std::uint64_t status = 0;
        std::uint16_t head = 0;
        std::size_t number = 0;
        bool is_busy = false;
        bool is_write = false;
    };

    void submit(Slot& slot, std::minstd_rand& chance) {
        do {
            slot.number = chance() % blocks;
        } while (in_use_.at(slot.number));
        in_use_.at(slot.number) = true;
        slot.is_write = chance() % 2 == 0;
        slot.is_busy = true;
        ++busy_;
        if (slot.is_write) {
            ++written_.at(slot.number);
        }
        const devices::block::RequestHeader header{
            .type = std::to_underlying(slot.is_write ? RequestType::out : RequestType::in),
            .reserved = 0,
            .sector = slot.number * (block / 512)};
        part_.ram.write(slot.header, std::as_bytes(std::span(&header, 1)));
        auto* words = reinterpret_cast<std::uint64_t*>(part_.ram.at(slot.data));
        std::fill_n(words, block / sizeof *words, slot.is_write ? word_of(slot.number) : 0);
        *part_.ram.at(slot.status) = std::byte{0xff};
        const std::uint16_t to_guest = slot.is_write ? 0 : kit::desc_write;
        const std::array chain{
            kit::Descriptor{.address = slot.header, .length = sizeof header},
            kit::Descriptor{.address = slot.data, .length = block, .flags = to_guest},
            kit::Descriptor{.address = slot.status, .length = 1, .flags = kit::desc_write}};
        slot.head = queue_.add(chain);
    }

    void finish(const kit::DriverQueue::Used& used) {
        const auto slot = std::ranges::find_if(
            slots_, [&](const Slot& each) { return each.is_busy && each.head == used.head; });
        if (slot == slots_.end()) {
            faults_.add("a request came back twice");
            return;
        }
        slot->is_busy = false;
        --busy_;
        in_use_.at(slot->number) = false;
        ++answered_;
        if (*part_.ram.at(slot->status) != std::byte{0}) {
            faults_.add("a request failed");
        }
        const auto* words = reinterpret_cast<const std::uint64_t*>(part_.ram.at(slot->data));
        if (!std::ranges::all_of(std::span(words, block / sizeof *words),
                                 [&](std::uint64_t word) { return word == word_of(slot->number); })) {
            faults_.add("a block is another than was written");
        }
    }

    /// 0 for a block that was never written.
    [[nodiscard]] std::uint64_t word_of(std::size_t number) const {
        return written_.at(number) == 0 ? 0 : std::uint64_t{written_.at(number)} << 32 | number;
    }

    GuestPart part_;
    Faults& faults_;
    kit::SplitQueue queue_{part_.ram, 64, true};
    std::array<Slot, 8> slots_{};
    std::array<bool, blocks> in_use_{};
    std::array<std::uint32_t, blocks> written_{};
    std::size_t busy_ = 0;
    std::atomic<std::uint64_t> answered_{0};
};

/// Numbers, a line each: the byte at a place of them.
inline char line_byte(std::uint64_t place) {
    return std::format("{:07}\n", place / 8).at(place % 8);
}

/// Prints numbers on its console, and reads those that are typed there.
class ConsoleGuest {
  public:
    ConsoleGuest(hypervisor::Simulated& machine, Faults& faults)
        : part_(machine, 3, 0xa003800, 76, ram_address + half), faults_(faults) {}

    void bring_up() { part_.bring_up({&receive_, &transmit_}); }

    void run(const std::stop_token& stopped) {
        const auto line = part_.ram.allocate(line_size);
        for (auto& buffer : buffers_) {
            buffer.address = part_.ram.allocate(buffer_size);
            give(buffer);
        }
        while (!stopped.stop_requested()) {
            const auto text = std::format("{:07}\n", printed_.load());
            part_.ram.write(line, std::as_bytes(std::span(text)));
            const std::array chain{kit::Descriptor{.address = line, .length = line_size}};
            static_cast<void>(transmit_.add(chain));
            if (transmit_.needs_kick()) {
                part_.driver.kick(1);
            }
            const auto end = Clock::now() + 20s;
            while (!transmit_.take_used()) {
                part_.wait();
                take_typed();
                if (Clock::now() > end) {
                    faults_.add("the console takes nothing more");
                    return;
                }
            }
            ++printed_;
            std::this_thread::sleep_for(50us);
        }
    }

    static constexpr std::uint32_t line_size = 8;
    [[nodiscard]] std::uint64_t printed() const { return printed_; }
    [[nodiscard]] std::uint64_t typed_bytes() const { return typed_; }

  private:
    static constexpr std::uint32_t buffer_size = 12; // a line and a half
    struct Buffer {
        std::uint64_t address = 0;
        std::uint16_t head = 0;
    };

    void give(Buffer& buffer) {
        const std::array chain{
            kit::Descriptor{.address = buffer.address, .length = buffer_size, .flags = kit::desc_write}};
        buffer.head = receive_.add(chain);
        if (receive_.needs_kick()) {
            part_.driver.kick(0);
        }
    }

    void take_typed() {
        while (const auto used = receive_.take_used()) {
            auto& buffer = *std::ranges::find(buffers_, used->head, &Buffer::head);
            for (const auto byte : part_.ram.read(buffer.address, used->length)) {
                if (static_cast<char>(byte) != line_byte(typed_)) {
                    faults_.add(
                        std::format("byte {} that was typed is {}", typed_.load(), static_cast<int>(byte)));
                }
                ++typed_;
            }
            give(buffer);
        }
    }

    GuestPart part_;
    Faults& faults_;
    std::array<Buffer, 8> buffers_{};
    std::atomic<std::uint64_t> typed_{0};
    kit::SplitQueue receive_{part_.ram, 16, true};
    kit::SplitQueue transmit_{part_.ram, 16, true};
    std::atomic<std::uint64_t> printed_{0};
};

/// Reads what a ConsoleGuest prints, and may type.
class ConsoleUser {
  public:
    /// `file` is a pty, or a stream.
    ConsoleUser(UniqueFd file, bool types, Faults& faults)
        : file_(std::move(file)), faults_(faults), types_(types) {
        ::fcntl(file_.get(), F_SETFL, O_NONBLOCK);
        thread_ = std::jthread([this](const std::stop_token& stopped) { run(stopped); });
    }
    /// That came, and were right.
    [[nodiscard]] std::uint64_t lines() const { return lines_; }
    [[nodiscard]] std::uint64_t typed_bytes() const { return typed_; }
    void stop_typing() { types_ = false; }

  private:
    void run(const std::stop_token& stopped) {
        std::string rest;
        std::array<char, 4096> buffer{};
        while (!stopped.stop_requested()) {
            if (types_) {
                const char byte = line_byte(typed_);
                typed_ += ::write(file_.get(), &byte, 1) == 1 ? 1 : 0;
            }
            const auto count = ::read(file_.get(), buffer.data(), buffer.size());
            if (count <= 0) {
                std::this_thread::sleep_for(1ms);
                continue;
            }
            rest.append(buffer.data(), static_cast<std::size_t>(count));
            for (; rest.size() >= ConsoleGuest::line_size; rest.erase(0, ConsoleGuest::line_size)) {
                const auto line = rest.substr(0, ConsoleGuest::line_size);
                if (line != std::format("{:07}\n", lines_.load())) {
                    faults_.add(std::format("line {} of the console is {}", lines_.load(), line));
                    return;
                }
                ++lines_;
            }
        }
    }

    UniqueFd file_;
    Faults& faults_;
    std::atomic<bool> types_;
    std::atomic<std::uint64_t> lines_{0};
    std::atomic<std::uint64_t> typed_{0};
    std::jthread thread_;
};

} // namespace hvisor::test
