// SPDX-License-Identifier: Apache-2.0
#include "device_fuzz.hpp"
#include "devices/gpu/backend_headless.hpp"
#include "devices/gpu/config.hpp"
#include "devices/gpu/device.hpp"
#include "kit/fake_renderer.hpp"

#include <algorithm>
#include <span>
#include <string>

namespace {

using namespace hvisor;
using namespace hvisor::devices::gpu;

// Whatever an answer has in it is small, or the display's own description, so
// that any other byte that reaches the guest shows. Two things would not be: an
// EDID that is made, for which no screen here has a need, and UUIDs, for which
// no driver here leaves room.
constexpr auto small = std::byte{0x41};
constexpr auto edid_byte = std::byte{'e'};
constexpr std::size_t edid_size = 64;

constexpr Size screen_size{.width = 32, .height = 24};
constexpr GpuLimits limits{.resources = 6, .memory = std::uint64_t{64} << 10, .contexts = 3};
constexpr std::uint32_t screens = 2;

/// A headless one whose frames may wait until they are let go.
class FuzzScreen final : public Screen {
  public:
    explicit FuzzScreen(Reactor& owner) : inner_(owner, screen_size, 0) {}

    /// On the owner.
    void hold(bool is_holding) {
        is_holding_ = is_holding;
        if (!is_holding && shown_ != inner_.shown()) {
            shown_ = inner_.shown();
            listener().shown();
        }
    }
    void resize_and_tell(Size size) {
        if (inner_.resize(size)) {
            listener().changed();
        }
    }

    [[nodiscard]] ScreenFacts facts() const override {
        auto facts = inner_.facts();
        facts.edid.assign(edid_size, edid_byte);
        return facts;
    }
    [[nodiscard]] Result<void> turn_on(const Picture& picture) override { return inner_.turn_on(picture); }
    void turn_off() override {
        inner_.turn_off();
        shown_ = inner_.shown();
    }
    [[nodiscard]] std::uint64_t present(const Rect& damage) override {
        const auto frame = inner_.present(damage);
        if (!is_holding_) {
            shown_ = frame;
        }
        return frame;
    }
    [[nodiscard]] std::uint64_t shown() const override { return shown_; }
    void set_cursor(const Cursor* cursor) override { inner_.set_cursor(cursor); }
    void move_cursor(CursorPosition position) override { inner_.move_cursor(position); }
    [[nodiscard]] bool read(const Canvas& to) const override { return inner_.read(to); }
    [[nodiscard]] Result<void> resize(Size size) override { return inner_.resize(size); }
    void close() override { inner_.close(); }

  private:
    HeadlessScreen inner_;
    bool is_holding_ = false;
    std::uint64_t shown_ = 0;
};

using Screens = std::vector<FuzzScreen*>;

class GpuFuzz final : public fuzz::DeviceFuzz<GpuDevice> {
  public:
    GpuFuzz(fuzz::Input& input, const std::shared_ptr<Screens>& made, kit::FakeRenderer& renderer)
        : DeviceFuzz(input,
                     [&made, &renderer](virtio::DeviceContext context) {
                         std::vector<std::unique_ptr<Screen>> all;
                         for (std::uint32_t i = 0; i < screens; ++i) {
                             auto screen = std::make_unique<FuzzScreen>(context.owner);
                             made->push_back(screen.get());
                             all.push_back(std::move(screen));
                         }
                         auto opened = Renderer::open(context.owner, renderer.settings());
                         return GpuDevice(std::move(context), std::move(all), limits,
                                          std::move(opened.value()));
                     }),
          screens_(made),
          renderer_(renderer) {}

  private:
    template <class T>
    static void append(std::vector<std::byte>& to, const T& value) {
        const auto bytes = std::as_bytes(std::span(&value, 1));
        to.insert(to.end(), bytes.begin(), bytes.end());
    }
    [[nodiscard]] std::uint32_t odd_number() {
        static constexpr std::array<std::uint32_t, 6> numbers{0,          1,          0x7fffffff,
                                                              0x80000000, UINT32_MAX, 16385};
        const auto which = input().below(numbers.size() + 1);
        return which < numbers.size() ? numbers.at(which) : input().take<std::uint32_t>();
    }
    /// Below the limit, mostly.
    [[nodiscard]] std::uint32_t number(std::uint32_t limit) {
        return input().rarely() ? odd_number() : input().below(limit);
    }
    [[nodiscard]] std::uint32_t id() { return number(8); }
    [[nodiscard]] std::uint32_t scanout() { return number(screens + 1); }
    [[nodiscard]] Size size() { return {.width = 1 + number(40), .height = 1 + number(40)}; }
    /// Once in two times all of a picture of that size.
    [[nodiscard]] GuestRect rect(Size whole) {
        if (input().below(2) == 0) {
            return {.x = 0, .y = 0, .width = whole.width, .height = whole.height};
        }
        return {.x = number(20), .y = number(20), .width = number(24), .height = number(24)};
    }
    [[nodiscard]] std::uint32_t format() {
        static constexpr std::array<std::uint32_t, 9> formats{1, 2, 3, 4, 67, 68, 121, 134, 5};
        return input().rarely() ? odd_number() : formats.at(input().below(formats.size()));
    }
    void append_entries(std::vector<std::byte>& to, std::uint32_t count) {
        for (; count > 0; --count) {
            MemoryEntry entry{.addr = Rig::ram_address + ring_space + input().below(60000),
                              .length = 1 + input().below(9000),
                              .padding = 0};
            if (input().rarely()) {
                entry.addr = input().take<std::uint64_t>();
            }
            if (input().rarely()) {
                entry.length = odd_number();
            }
            append(to, entry);
        }
    }

    [[nodiscard]] Command any_command() {
        static constexpr std::array commands{Command::get_display_info,
                                             Command::resource_create_2d,
                                             Command::resource_create_2d,
                                             Command::resource_unref,
                                             Command::set_scanout,
                                             Command::set_scanout,
                                             Command::resource_flush,
                                             Command::resource_flush,
                                             Command::transfer_to_host_2d,
                                             Command::transfer_to_host_2d,
                                             Command::resource_attach_backing,
                                             Command::resource_attach_backing,
                                             Command::resource_detach_backing,
                                             Command::get_capset_info,
                                             Command::get_edid,
                                             Command::resource_assign_uuid,
                                             Command::resource_create_blob,
                                             Command::resource_create_blob,
                                             Command::set_scanout_blob,
                                             Command::set_scanout_blob,
                                             Command::get_capset,
                                             Command::ctx_create,
                                             Command::ctx_create,
                                             Command::ctx_destroy,
                                             Command::ctx_attach_resource,
                                             Command::ctx_detach_resource,
                                             Command::resource_create_3d,
                                             Command::resource_create_3d,
                                             Command::transfer_to_host_3d,
                                             Command::transfer_to_host_3d,
                                             Command::transfer_from_host_3d,
                                             Command::submit_3d,
                                             Command::submit_3d};
        return commands.at(input().below(commands.size()));
    }

    [[nodiscard]] Header make_header(Command command) {
        Header header{};
        header.type = std::to_underlying(command);
        if (input().rarely()) {
            header.type = odd_number();
        }
        // Of an answer these bytes are the driver's own.
        header.flags = input().below(4);
        header.fence_id = input().below(0x40);
        header.ctx_id = input().below(4) == 0 ? input().below(0x40) : input().below(4);
        return header;
    }

    void append_3d(std::vector<std::byte>& to, Command command) {
        const auto picture = size();
        if (command == Command::ctx_create) {
            append(to, CtxCreate{.nlen = number(70), .context_init = 0, .debug_name = {'f'}});
        } else if (command == Command::resource_create_3d) {
            const bool is_plain = input().below(2) == 0;
            append(to, ResourceCreate3d{.resource_id = id(),
                                        .target = is_plain ? 2 : number(9),
                                        .format = is_plain ? format() : number(512),
                                        .bind = 2,
                                        .width = picture.width,
                                        .height = is_plain ? picture.height : number(3),
                                        .depth = is_plain ? 1 : number(4),
                                        .array_size = is_plain ? 1 : number(8),
                                        .last_level = is_plain ? 0 : number(8),
                                        .nr_samples = is_plain ? 0 : number(5),
                                        .flags = 0,
                                        .padding = 0});
        } else if (command == Command::submit_3d) {
            const auto words = 2 * input().below(3);
            append(to, Submit3d{.size = input().rarely() ? odd_number() : 4 * words, .padding = 0});
            for (std::uint32_t i = 0; i < words; ++i) {
                append(to, i % 2 == 0 ? id() : 0x01010101 * input().below(0x40));
            }
        } else if (command == Command::get_capset) {
            append(to, GetCapset{.capset_id = number(4), .capset_version = number(3)});
        } else {
            const auto part = rect(picture);
            append(to, TransferHost3d{.box = {.x = part.x,
                                              .y = part.y,
                                              .z = number(2),
                                              .width = part.width,
                                              .height = part.height,
                                              .depth = 1 + number(2)},
                                      .offset = number(200),
                                      .resource_id = id(),
                                      .level = number(2),
                                      .stride = input().below(2) == 0 ? 0 : number(400),
                                      .layer_stride = input().below(4) == 0 ? number(9000) : 0});
        }
    }

    void append_body(std::vector<std::byte>& to, Command command) {
        const auto picture = size();
        switch (command) {
        case Command::resource_create_2d:
            append(to, ResourceCreate2d{.resource_id = id(),
                                        .format = format(),
                                        .width = picture.width,
                                        .height = picture.height});
            break;
        case Command::set_scanout:
            append(to, SetScanout{.r = rect(picture), .scanout_id = scanout(), .resource_id = id()});
            break;
        case Command::resource_flush:
            append(to, ResourceFlush{.r = rect(picture), .resource_id = id(), .padding = 0});
            break;
        case Command::transfer_to_host_2d:
            append(to, TransferToHost2d{
                           .r = rect(picture), .offset = number(200), .resource_id = id(), .padding = 0});
            break;
        case Command::resource_attach_backing: {
            const auto count = 1 + input().below(4);
            append(to,
                   AttachBacking{.resource_id = id(), .nr_entries = input().rarely() ? odd_number() : count});
            append_entries(to, count);
            break;
        }
        case Command::resource_create_blob: {
            const auto count = 1 + input().below(4);
            append(to, ResourceCreateBlob{.resource_id = id(),
                                          .blob_mem = input().rarely() ? odd_number() : 1,
                                          .blob_flags = input().below(8),
                                          .nr_entries = input().rarely() ? odd_number() : count,
                                          .blob_id = 0,
                                          .size = number(9000)});
            append_entries(to, count);
            break;
        }
        case Command::set_scanout_blob: {
            SetScanoutBlob body{.r = rect(picture),
                                .scanout_id = scanout(),
                                .resource_id = id(),
                                .width = picture.width,
                                .height = picture.height,
                                .format = format(),
                                .padding = 0,
                                .strides = {4 * picture.width + number(9)},
                                .offsets = {number(100)}};
            append(to, body);
            break;
        }
        case Command::update_cursor:
        case Command::move_cursor:
            append(to, UpdateCursor{.scanout_id = scanout(),
                                    .x = number(50),
                                    .y = number(50),
                                    .padding = 0,
                                    .resource_id = id(),
                                    .hot_x = number(64),
                                    .hot_y = number(64),
                                    .padding2 = 0});
            break;
        case Command::ctx_create:
        case Command::resource_create_3d:
        case Command::submit_3d:
        case Command::get_capset:
        case Command::transfer_to_host_3d:
        case Command::transfer_from_host_3d:
            append_3d(to, command);
            break;
        default: // an id, or nothing that is looked at
            append(to, std::array<std::uint32_t, 2>{id(), 0});
            break;
        }
    }

    [[nodiscard]] fuzz::Request make_request(std::size_t queue) override {
        auto command = any_command();
        if ((queue == cursor_queue) != input().rarely()) {
            command = input().below(2) == 0 ? Command::update_cursor : Command::move_cursor;
        }
        if (command == Command::transfer_from_host_3d) {
            blame(); // what it writes is the guest's own, where other answers may be
        }
        std::vector<std::byte> bytes;
        append(bytes, make_header(command));
        append_body(bytes, command);
        if (input().rarely()) {
            bytes.resize(1 + input().below(80));
        }
        fuzz::Request request;
        const auto cut =
            input().below(4) == 0 ? std::min<std::size_t>(1 + input().below(60), bytes.size()) : bytes.size();
        const auto at = bytes.begin() + static_cast<std::ptrdiff_t>(cut);
        request.parts.push_back({.readable = {bytes.begin(), at}});
        if (at != bytes.end()) {
            request.parts.push_back({.readable = {at, bytes.end()}});
        }
        if (queue == cursor_queue && input().below(2) == 0) {
            return request; // as Linux
        }
        // What begins as another command may be read as this one.
        const bool is_open = command == Command::get_display_info || command == Command::get_edid ||
                             command == Command::get_capset;
        const auto room = input().rarely() ? input().below(24) + 1 : is_open ? 24 + input().below(1100) : 24;
        request.parts.push_back({.writable = room});
        return request;
    }

    void on_screen(auto act) {
        auto& screen = *screens_->at(input().below(screens));
        rig().reactor->call([&] { act(screen); });
    }

    void host_step() override {
        switch (input().below(6)) {
        case 0:
            on_screen([](FuzzScreen& screen) { screen.hold(true); });
            break;
        case 4:
            renderer_.is_holding = true;
            break;
        case 5:
            if (input().rarely()) {
                blame(); // who draws needs a reset then
                renderer_.die();
                // Of an end that it hears of after a reset the next driver is told.
                rig().settle();
            }
            break;
        case 1:
            hurry();
            break;
        case 2:
            on_screen([this](FuzzScreen& screen) {
                screen.resize_and_tell({.width = 1 + input().below(64), .height = 1 + input().below(64)});
            });
            break;
        default: {
            const auto number = input().below(screens + 1);
            if (const auto shot = rig().device.take_screenshot(number, input().below(2) == 0)) {
                fuzz::expect(rig().device.scanouts().at(number).size == shot->size, "a picture has its size");
            }
            break;
        }
        }
        fuzz::expect(rig().device.memory_used() <= limits.memory, "a driver gets no more memory than it may");
    }

    /// Frames and fences that are held are let go.
    void hurry() override {
        renderer_.is_holding = false;
        for (auto* screen : *screens_) {
            rig().reactor->call([screen] { screen->hold(false); });
        }
    }

    [[nodiscard]] bool may_write(std::byte byte) const override { return byte < small || byte == edid_byte; }

    [[nodiscard]] bool carries_out(const auto&... parts) {
        std::vector<std::byte> bytes;
        (append(bytes, parts), ...);
        return send(control_queue, {{.readable = bytes}, {.writable = sizeof(Header)}}) == sizeof(Header) &&
               latest(1).front() == std::byte{0} && latest(1).at(1) == std::byte{0x11};
    }
    [[nodiscard]] static Header header_of(Command command) {
        Header header{};
        header.type = std::to_underlying(command);
        return header;
    }

    [[nodiscard]] bool works() override {
        if (rig().device.memory_used() != 0) {
            return false;
        }
        // The last memory that the guest has: all of it is 0xee now.
        constexpr Size picture{.width = 16, .height = 16};
        constexpr std::uint32_t bytes = 16 * 16 * 4;
        constexpr GuestRect all{.x = 0, .y = 0, .width = 16, .height = 16};
        constexpr std::uint64_t address = Rig::ram_address + ram_size - bytes;
        const bool is_drawn =
            carries_out(header_of(Command::resource_create_2d),
                        ResourceCreate2d{.resource_id = 1, .format = 2, .width = 16, .height = 16}) &&
            carries_out(header_of(Command::resource_attach_backing),
                        AttachBacking{.resource_id = 1, .nr_entries = 1},
                        MemoryEntry{.addr = address, .length = bytes, .padding = 0}) &&
            carries_out(header_of(Command::transfer_to_host_2d),
                        TransferToHost2d{.r = all, .offset = 0, .resource_id = 1, .padding = 0}) &&
            carries_out(header_of(Command::set_scanout),
                        SetScanout{.r = all, .scanout_id = 1, .resource_id = 1}) &&
            carries_out(header_of(Command::resource_flush),
                        ResourceFlush{.r = all, .resource_id = 1, .padding = 0});
        const auto shot = rig().device.take_screenshot(1, true);
        return is_drawn && shot && shot->size == picture &&
               std::ranges::all_of(shot->pixels, [](std::byte byte) { return byte == std::byte{0xee}; });
    }

    std::shared_ptr<Screens> screens_;
    kit::FakeRenderer& renderer_;
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::Input input(data, size);
    kit::FakeRenderer renderer;
    renderer.serve();
    GpuFuzz(input, std::make_shared<Screens>(), renderer).run();
    return 0;
}
