// SPDX-License-Identifier: Apache-2.0
#include "guest_gpu.hpp"

#include "devices/gpu/canvas.hpp"

#include <array>
#include <cstring>
#include <stdexcept>
#include <thread>
#include <utility>

namespace hvisor::bench {
namespace {

using namespace devices::gpu;

constexpr std::uint32_t picture_id = 1;
constexpr std::size_t page = 4096;

} // namespace

GuestGpu::GuestGpu(Stack& stack, std::uint32_t width, std::uint32_t height, bool is_blob)
    : stack_(stack),
      control_(stack.ram(), queue_size),
      cursor_(stack.ram(), queue_size),
      device_(stack.guest(), gpu_place),
      width_(width),
      height_(height),
      is_blob_(is_blob),
      bytes_(bytes_per_pixel * width * height),
      picture_(stack.ram().allocate(bytes_, page)),
      host_picture_(stack.ram().at(picture_)),
      requests_(stack.ram().allocate(std::size_t{request_size} * queue_size, page)),
      answers_(stack.ram().allocate(sizeof(Header) * queue_size, page)) {
    std::memset(host_picture_, 0, bytes_);
    device_.bring_up({f_edid, f_resource_uuid, f_resource_blob}, {&control_, &cursor_});
}

template <class... Parts>
void GuestGpu::add(std::uint16_t slot, Command type, const Parts&... parts) {
    const auto request = requests_ + std::uint64_t{request_size} * slot;
    const auto answer = answers_ + sizeof(Header) * slot;
    auto* to = stack_.ram().at(request);
    const auto append = [&](const auto& part) {
        std::memcpy(to, &part, sizeof part);
        to += sizeof part;
    };
    Header header{};
    header.type = std::to_underlying(type);
    append(header);
    (append(parts), ...);
    std::memset(stack_.ram().at(answer), 0, sizeof header);
    const auto length = static_cast<std::uint32_t>(to - stack_.ram().at(request));
    control_.add(slot,
                 std::array{GuestQueue::Piece{.address = request, .length = length},
                            GuestQueue::Piece{.address = answer, .length = sizeof header, .writable = true}});
    ++in_flight_;
}

void GuestGpu::finish() {
    if (control_.should_kick()) {
        device_.kick(control_queue);
    }
    while (in_flight_ != 0) {
        device_.handle_interrupt(control_, [this](const GuestQueue::Used& used) {
            std::uint32_t type = 0;
            std::memcpy(&type, stack_.ram().at(answers_ + sizeof(Header) * used.slot), sizeof type);
            if (type != std::to_underlying(Response::ok_nodata)) {
                throw std::runtime_error("a command of the GPU failed");
            }
            --in_flight_;
        });
    }
}

void GuestGpu::show() {
    const MemoryEntry entry{.addr = picture_, .length = static_cast<std::uint32_t>(bytes_), .padding = 0};
    const GuestRect all{.x = 0, .y = 0, .width = width_, .height = height_};
    constexpr auto format = std::to_underlying(Format::b8g8r8x8_unorm);
    if (is_blob_) {
        add(0, Command::resource_create_blob,
            ResourceCreateBlob{.resource_id = picture_id,
                               .blob_mem = std::to_underlying(BlobMemory::guest),
                               .blob_flags = 2,
                               .nr_entries = 1,
                               .blob_id = 0,
                               .size = bytes_},
            entry);
        add(1, Command::set_scanout_blob,
            SetScanoutBlob{.r = all,
                           .scanout_id = 0,
                           .resource_id = picture_id,
                           .width = width_,
                           .height = height_,
                           .format = format,
                           .padding = 0,
                           .strides = {static_cast<std::uint32_t>(bytes_per_pixel) * width_},
                           .offsets = {}});
    } else {
        add(0, Command::resource_create_2d,
            ResourceCreate2d{
                .resource_id = picture_id, .format = format, .width = width_, .height = height_});
        add(1, Command::resource_attach_backing, AttachBacking{.resource_id = picture_id, .nr_entries = 1},
            entry);
        add(2, Command::set_scanout, SetScanout{.r = all, .scanout_id = 0, .resource_id = picture_id});
    }
    finish();
}

void GuestGpu::draw() {
    // Not the whole picture: the guest's CPU is not what is measured.
    ++frame_;
    for (std::size_t at = 0; at < bytes_; at += page) {
        std::memcpy(host_picture_ + at, &frame_, sizeof frame_);
    }
}

void GuestGpu::send_frame() {
    const GuestRect all{.x = 0, .y = 0, .width = width_, .height = height_};
    if (!is_blob_) {
        add(0, Command::transfer_to_host_2d,
            TransferToHost2d{.r = all, .offset = 0, .resource_id = picture_id, .padding = 0});
    }
    add(1, Command::resource_flush, ResourceFlush{.r = all, .resource_id = picture_id, .padding = 0});
    finish();
}

Outcome GuestGpu::run(double seconds, std::optional<double> rate) {
    const auto duration = [](double time) {
        return std::chrono::duration_cast<Clock::duration>(Seconds(time));
    };
    Outcome outcome;
    const auto begin = Times::now();
    const auto start = Clock::now();
    const auto end = start + duration(seconds);
    do {
        draw();
        const auto kicked = Clock::now();
        send_frame();
        outcome.latencies.add(Clock::now() - kicked);
        ++outcome.requests;
        if (rate) {
            std::this_thread::sleep_until(start + duration(static_cast<double>(outcome.requests) / *rate));
        }
    } while (Clock::now() < end);
    outcome.times = Times::now() - begin;
    return outcome;
}

} // namespace hvisor::bench
