// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "devices/gpu/backend_headless.hpp"
#include "devices/gpu/config.hpp"
#include "devices/gpu/device.hpp"
#include "kit/device_rig.hpp"

#include <algorithm>
#include <bit>
#include <catch2/catch_test_macros.hpp>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace hvisor::devices::gpu {

inline constexpr Format all_formats[] = {
    Format::b8g8r8a8_unorm, Format::b8g8r8x8_unorm, Format::a8r8g8b8_unorm, Format::x8r8g8b8_unorm,
    Format::r8g8b8a8_unorm, Format::x8b8g8r8_unorm, Format::a8b8g8r8_unorm, Format::r8g8b8x8_unorm,
};

/// Pixels as 0xAARRGGBB.
struct Bitmap {
    Size size{};
    std::vector<std::uint32_t> pixels;

    explicit Bitmap(Size its_size, std::uint32_t colour = 0)
        : size(its_size), pixels(std::size_t{its_size.width} * its_size.height, colour) {}

    [[nodiscard]] std::uint32_t& at(std::uint32_t x, std::uint32_t y) {
        return pixels.at(std::size_t{y} * size.width + x);
    }
    [[nodiscard]] std::uint32_t at(std::uint32_t x, std::uint32_t y) const {
        return pixels.at(std::size_t{y} * size.width + x);
    }
    [[nodiscard]] Bitmap part(const Rect& rect) const {
        Bitmap cut(rect.size());
        cut.put({}, *this, rect);
        return cut;
    }
    /// Copy a part of another one to a place of this one.
    void put(const Rect& to, const Bitmap& from, const Rect& rect) {
        for (std::uint32_t y = 0; y < rect.height; ++y) {
            for (std::uint32_t x = 0; x < rect.width; ++x) {
                at(to.x + x, to.y + y) = from.at(rect.x + x, rect.y + y);
            }
        }
    }
    void put(const Rect& rect, const Bitmap& from) { put(rect, from, rect); }
    [[nodiscard]] bool operator==(const Bitmap&) const = default;
};

/// All pixels differ from their neighbours, in all colours.
[[nodiscard]] inline Bitmap pattern(Size size, std::uint32_t seed) {
    Bitmap bitmap(size);
    for (auto& pixel : bitmap.pixels) {
        seed = seed * 1664525 + 1013904223;
        pixel = (seed >> 7 & 0xffffffU) | 0xff000000U;
    }
    return bitmap;
}

/// The bytes that a driver has of it; the name of a format gives their order.
[[nodiscard]] inline std::vector<std::byte> encode(const Bitmap& bitmap, Format format) {
    const auto order = [&]() -> const char* {
        switch (format) {
        case Format::b8g8r8a8_unorm:
            return "BGRA";
        case Format::b8g8r8x8_unorm:
            return "BGRX";
        case Format::a8r8g8b8_unorm:
            return "ARGB";
        case Format::x8r8g8b8_unorm:
            return "XRGB";
        case Format::r8g8b8a8_unorm:
            return "RGBA";
        case Format::x8b8g8r8_unorm:
            return "XBGR";
        case Format::a8b8g8r8_unorm:
            return "ABGR";
        case Format::r8g8b8x8_unorm:
            return "RGBX";
        }
        return "";
    }();
    std::vector<std::byte> bytes;
    for (const auto pixel : bitmap.pixels) {
        for (int i = 0; i < 4; ++i) {
            const auto shift = order[i] == 'B' ? 0 : order[i] == 'G' ? 8 : order[i] == 'R' ? 16 : 24;
            bytes.push_back(order[i] == 'X' ? std::byte{0x99} : static_cast<std::byte>(pixel >> shift));
        }
    }
    return bytes;
}

/// The colours of a canvas; the fourth byte is nobody's.
[[nodiscard]] inline Bitmap decode(const Screenshot& shot) {
    Bitmap bitmap(shot.size);
    REQUIRE(shot.pixels.size() == bitmap.pixels.size() * bytes_per_pixel);
    for (std::size_t i = 0; i < bitmap.pixels.size(); ++i) {
        std::memcpy(&bitmap.pixels[i], &shot.pixels[bytes_per_pixel * i], bytes_per_pixel);
        bitmap.pixels[i] |= 0xff000000U;
    }
    return bitmap;
}

[[nodiscard]] inline GuestRect to_guest(const Rect& rect) {
    return {.x = rect.x, .y = rect.y, .width = rect.width, .height = rect.height};
}

/// A screen whose frames are shown when a test says so. All on the owner.
class HeldScreen final : public Screen {
  public:
    explicit HeldScreen(Size preferred) { now.preferred = preferred; }

    /// Show all frames up to this one, and tell.
    void show(std::uint64_t frame) {
        shown_ = frame;
        listener().shown();
    }
    /// It is another one from now on.
    void change(ScreenFacts facts) {
        now = std::move(facts);
        listener().changed();
    }

    [[nodiscard]] ScreenFacts facts() const override { return now; }
    [[nodiscard]] Result<void> turn_on(const Picture& picture) override {
        ++turned_on;
        if (is_broken) {
            picture_ = nullptr;
            return fail(ErrorCode::failed, "DP-1: another program is DRM master");
        }
        picture_ = &picture;
        return {};
    }
    void turn_off() override {
        ++turned_off;
        picture_ = nullptr;
        shown_ = presented;
    }
    [[nodiscard]] std::uint64_t present(const Rect& damage) override {
        damages.push_back(damage);
        return ++presented;
    }
    [[nodiscard]] std::uint64_t shown() const override { return shown_; }
    void set_cursor(const Cursor* its_cursor) override {
        cursor = its_cursor != nullptr ? std::optional(*its_cursor) : std::nullopt;
    }
    void move_cursor(CursorPosition its_position) override { position = its_position; }
    [[nodiscard]] bool read(const Canvas& to) const override {
        if (picture_ != nullptr) {
            picture_->paint(Rect::of(to.size), to);
        }
        return picture_ != nullptr;
    }
    [[nodiscard]] Result<void> resize(Size) override {
        return fail(ErrorCode::wrong_state, "the display decides");
    }
    void close() override { picture_ = nullptr; }

    ScreenFacts now;
    bool is_broken = false;
    int turned_on = 0;
    int turned_off = 0;
    std::uint64_t presented = 0;
    std::vector<Rect> damages;
    std::optional<Cursor> cursor;
    CursorPosition position;

  private:
    const Picture* picture_ = nullptr;
    std::uint64_t shown_ = 0;
};

struct RigOptions {
    std::vector<Size> screens{{.width = 64, .height = 48}};
    std::uint32_t refresh = 0; ///< mHz
    bool is_held = false;      ///< HeldScreen instead of HeadlessScreen
    GpuLimits limits{};
    virtio::FeatureSet features{virtio::FeatureBit::version_1, f_edid, f_resource_uuid, f_resource_blob};
    std::shared_ptr<std::vector<HeldScreen*>> held = std::make_shared<std::vector<HeldScreen*>>();
    RendererSettings renderer{}; ///< with `connect`: a device of three dimensions
};

/// A driver with both queues.
struct GpuRig : kit::DeviceRig<GpuDevice> {
    struct Got {
        std::uint32_t length = 0; ///< as the device says
        Header header{};
        std::vector<std::byte> bytes; ///< all that there was room for

        [[nodiscard]] Response type() const { return static_cast<Response>(header.type); }
        template <class T>
        [[nodiscard]] T body() const {
            T value;
            REQUIRE(bytes.size() >= sizeof header + sizeof value);
            std::memcpy(&value, bytes.data() + sizeof header, sizeof value);
            return value;
        }
    };
    struct Sent {
        std::size_t queue;
        std::uint16_t head;
        std::uint64_t answer;
        std::uint32_t room;
    };

    explicit GpuRig(RigOptions its_options = {})
        : DeviceRig([&](virtio::DeviceContext context) {
              auto screens = make_screens(context.owner, its_options);
              auto renderer = make_renderer(context.owner, its_options.renderer);
              return GpuDevice(std::move(context), std::move(screens), its_options.limits,
                               std::move(renderer));
          }),
          options(std::move(its_options)) {
        start_driver();
    }
    static std::unique_ptr<Renderer> make_renderer(Reactor& owner, const RendererSettings& settings) {
        return settings.connect ? std::move(Renderer::open(owner, settings).value()) : nullptr;
    }
    static std::vector<std::unique_ptr<Screen>> make_screens(Reactor& owner, const RigOptions& options) {
        std::vector<std::unique_ptr<Screen>> screens;
        for (const auto& size : options.screens) {
            if (options.is_held) {
                auto held = std::make_unique<HeldScreen>(size);
                options.held->push_back(held.get());
                screens.push_back(std::move(held));
            } else {
                screens.push_back(std::make_unique<HeadlessScreen>(owner, size, options.refresh));
            }
        }
        return screens;
    }
    /// On the owner, with one of the held screens.
    template <class Act>
    void with_screen(Act act, std::size_t number = 0) {
        reactor->call([&] { act(*options.held->at(number)); });
    }
    void show(std::uint64_t frame, std::size_t number = 0) {
        with_screen([&](HeldScreen& screen) { screen.show(frame); }, number);
    }
    void start_driver() {
        bring_up({&control, &cursor}, options.features);
        settle();
    }
    void restart() {
        driver.reset();
        control.reset();
        cursor.reset();
        back.clear();
        start_driver();
    }

    /// A command with these structures behind its header.
    template <class... Parts>
    [[nodiscard]] static std::vector<std::byte> request(Command type, const Parts&... parts) {
        return fenced_request(type, {}, parts...);
    }
    template <class... Parts>
    [[nodiscard]] static std::vector<std::byte>
    fenced_request(Command type, std::optional<std::uint64_t> fence, const Parts&... parts) {
        Header header{};
        header.type = std::to_underlying(type);
        header.flags = fence ? flag_fence : 0;
        header.fence_id = fence.value_or(0);
        std::vector<std::byte> bytes;
        append(bytes, std::as_bytes(std::span(&header, 1)));
        (append_part(bytes, parts), ...);
        return bytes;
    }

    /// Sends it; answers come later.
    Sent start(std::span<const std::byte> bytes, std::uint32_t room = default_room,
               std::size_t queue = control_queue) {
        const auto answer = ram.allocate(std::max(room, 1U));
        return start_at(ram.store_bytes(bytes), static_cast<std::uint32_t>(bytes.size()), answer, room,
                        queue);
    }
    [[nodiscard]] bool is_back(const Sent& sent) {
        settle();
        take_used();
        return back.contains({sent.queue, sent.head});
    }
    Got wait(const Sent& sent) {
        REQUIRE(kit::eventually([&] {
            take_used();
            return back.contains({sent.queue, sent.head});
        }));
        Got got{.length = back.extract({sent.queue, sent.head}).mapped(),
                .bytes = ram.read(sent.answer, sent.room)};
        if (got.bytes.size() >= sizeof got.header) {
            std::memcpy(&got.header, got.bytes.data(), sizeof got.header);
        }
        return got;
    }

    /// Sends it and waits. The memory is used again by the next one.
    Got send(std::span<const std::byte> bytes, std::uint32_t room = default_room,
             std::size_t queue = control_queue) {
        REQUIRE(bytes.size() <= request_room);
        REQUIRE(room <= answer_room);
        ram.write(request_at, bytes);
        ram.write(answer_at, std::vector(room, std::byte{0xee}));
        return wait(start_at(request_at, static_cast<std::uint32_t>(bytes.size()), answer_at, room, queue));
    }
    template <class... Parts>
    Got command(Command type, const Parts&... parts) {
        return send(request(type, parts...));
    }
    template <class... Parts>
    void expect_ok(Command type, const Parts&... parts) {
        CHECK(command(type, parts...).type() == Response::ok_nodata);
    }
    Got cursor_command(Command type, const UpdateCursor& body) {
        return send(request(type, body), sizeof(Header), cursor_queue);
    }

    void create(std::uint32_t id, Size size, Format format = Format::b8g8r8x8_unorm) {
        expect_ok(Command::resource_create_2d, ResourceCreate2d{.resource_id = id,
                                                                .format = std::to_underlying(format),
                                                                .width = size.width,
                                                                .height = size.height});
    }
    void attach(std::uint32_t id, const std::vector<MemoryEntry>& entries) {
        expect_ok(Command::resource_attach_backing,
                  AttachBacking{.resource_id = id, .nr_entries = static_cast<std::uint32_t>(entries.size())},
                  entries);
    }
    void transfer(std::uint32_t id, const Rect& part, std::uint64_t offset) {
        expect_ok(Command::transfer_to_host_2d,
                  TransferToHost2d{.r = to_guest(part), .offset = offset, .resource_id = id, .padding = 0});
    }
    void set_scanout(std::uint32_t scanout, std::uint32_t id, const Rect& part) {
        expect_ok(Command::set_scanout,
                  SetScanout{.r = to_guest(part), .scanout_id = scanout, .resource_id = id});
    }
    [[nodiscard]] static ResourceFlush flush_of(std::uint32_t id, const Rect& part) {
        return {.r = to_guest(part), .resource_id = id, .padding = 0};
    }
    void flush(std::uint32_t id, const Rect& part) { expect_ok(Command::resource_flush, flush_of(id, part)); }
    /// The bytes in guest memory, in pieces of these sizes again and again, far apart.
    std::vector<MemoryEntry> scatter(std::span<const std::byte> bytes, std::vector<std::size_t> sizes) {
        std::vector<MemoryEntry> entries;
        for (std::size_t i = 0; !bytes.empty(); ++i) {
            const auto count = std::min(bytes.size(), sizes.at(i % sizes.size()));
            const auto at = ram.allocate(count + 13, 1);
            ram.write(at, bytes.first(count));
            entries.push_back({.addr = at, .length = static_cast<std::uint32_t>(count), .padding = 0});
            bytes = bytes.subspan(count);
        }
        return entries;
    }
    /// A resource that has this picture, with its backing.
    void draw(std::uint32_t id, const Bitmap& bitmap, Format format = Format::b8g8r8x8_unorm) {
        create(id, bitmap.size, format);
        attach(id, scatter(encode(bitmap, format), {4096}));
        transfer(id, Rect::of(bitmap.size), 0);
    }
    Got create_blob(std::uint32_t id, std::uint64_t size, const std::vector<MemoryEntry>& entries) {
        return command(Command::resource_create_blob,
                       ResourceCreateBlob{.resource_id = id,
                                          .blob_mem = std::to_underlying(BlobMemory::guest),
                                          .blob_flags = 2,
                                          .nr_entries = static_cast<std::uint32_t>(entries.size()),
                                          .blob_id = 0,
                                          .size = size},
                       entries);
    }
    [[nodiscard]] static SetScanoutBlob blob_scanout(std::uint32_t id, Size size,
                                                     Format format = Format::b8g8r8x8_unorm) {
        return {.r = to_guest(Rect::of(size)),
                .scanout_id = 0,
                .resource_id = id,
                .width = size.width,
                .height = size.height,
                .format = std::to_underlying(format),
                .padding = 0,
                .strides = {static_cast<std::uint32_t>(bytes_per_pixel) * size.width},
                .offsets = {}};
    }

    /// What is to be seen.
    Bitmap seen(std::size_t scanout = 0, bool with_cursor = false) {
        const auto shot = device.take_screenshot(scanout, with_cursor);
        REQUIRE(shot);
        return decode(*shot);
    }
    [[nodiscard]] bool is_on(std::size_t scanout = 0) { return device.scanouts().at(scanout).is_on; }
    [[nodiscard]] std::uint64_t errors(std::size_t queue = control_queue) const {
        return device.queue_state(queue).metrics.errors.get();
    }

    static constexpr std::uint32_t default_room = sizeof(Header) + sizeof(EdidAnswer);
    static constexpr std::uint32_t request_room = 1U << 20;
    static constexpr std::uint32_t answer_room = 4096;

    RigOptions options;
    kit::SplitQueue control{ram, 64};
    kit::SplitQueue cursor{ram, 16};

  private:
    static void append(std::vector<std::byte>& to, std::span<const std::byte> bytes) {
        to.insert(to.end(), bytes.begin(), bytes.end());
    }
    template <class Part>
    static void append_part(std::vector<std::byte>& to, const Part& part) {
        append(to, std::as_bytes(std::span(&part, 1)));
    }
    static void append_part(std::vector<std::byte>& to, const std::vector<MemoryEntry>& entries) {
        append(to, std::as_bytes(std::span(entries)));
    }

    Sent start_at(std::uint64_t from, std::uint32_t length, std::uint64_t answer, std::uint32_t room,
                  std::size_t queue) {
        auto& ring = queue == control_queue ? control : cursor;
        kit::ChainBuilder chain(ring);
        if (length != 0) {
            chain.at(from, length, 0);
        }
        if (room != 0) {
            chain.at(answer, room, kit::desc_write);
        }
        const auto head = chain.add();
        // Of a command before that had the same descriptors and that nobody waited for.
        back.erase({queue, head});
        driver.kick(static_cast<std::uint32_t>(queue));
        return {.queue = queue, .head = head, .answer = answer, .room = room};
    }
    void take_used() {
        for (const auto queue : {control_queue, cursor_queue}) {
            while (const auto used = (queue == control_queue ? control : cursor).take_used()) {
                driver.acknowledge();
                back[{queue, used->head}] = used->length;
            }
        }
    }

    std::map<std::pair<std::size_t, std::uint16_t>, std::uint32_t> back; ///< and not waited for yet
    std::uint64_t request_at = ram.allocate(request_room);
    std::uint64_t answer_at = ram.allocate(answer_room);
};

} // namespace hvisor::devices::gpu
