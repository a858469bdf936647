// SPDX-License-Identifier: Apache-2.0
#include "devices/gpu/config.hpp"
#include "zone_rig.hpp"

#include <array>
#include <cstring>
#include <filesystem>
#include <span>

namespace gpu_test {

using namespace hvisor;
using namespace hvisor::zone;
namespace gpu = devices::gpu;

namespace {

constexpr std::uint64_t gpu_address = 0xa003400;
constexpr std::uint32_t gpu_interrupt = 74;
constexpr gpu::Size small{.width = 64, .height = 48};

ZoneRig::Windows windows() {
    return {{.address = disk_address, .size = window},
            {.address = console_address, .size = window},
            {.address = gpu_address, .size = window}};
}

DeviceSettings headless(std::size_t displays = 1) {
    GpuConfig config{.backend = GpuBackend::headless, .card = {}, .displays = {}, .memory = 1 << 20};
    config.displays.resize(displays, {.width = small.width, .height = small.height, .refresh = 240});
    return {.address = gpu_address,
            .length = window,
            .interrupt = gpu_interrupt,
            .model = GpuSettings{.config = std::move(config)}};
}

std::string attach(ZoneRig& rig, DeviceSettings settings = headless()) {
    const auto id = rig.devices->attach(std::move(settings));
    REQUIRE(id);
    return *id;
}

GpuState state_of(const ZoneRig& rig) {
    const auto state = rig.devices->inspect().at(2);
    CHECK(state.type == "gpu");
    REQUIRE(state.gpu);
    return *state.gpu;
}

/// Linux's driver as far as it takes to show one picture.
class Artist {
  public:
    explicit Artist(ZoneRig& rig)
        : queue_(rig.ram, 16), cursor_(rig.ram, 16), driver_(rig.driver(gpu_address)) {
        REQUIRE(driver_.negotiate({virtio::FeatureBit::version_1}));
        REQUIRE(driver_.set_up_queue(0, queue_));
        REQUIRE(driver_.set_up_queue(1, cursor_));
        driver_.start();
    }

    /// Fill the display with pixels that say where they are.
    std::vector<std::byte> show(ZoneRig& rig, gpu::Size size) {
        std::vector<std::byte> pixels(std::size_t{size.width} * size.height * gpu::bytes_per_pixel);
        for (std::size_t i = 0; i < pixels.size(); ++i) {
            pixels[i] = static_cast<std::byte>(i * 7 + i / 251);
        }
        const auto address = rig.ram.store_bytes(pixels);
        const gpu::GuestRect all{.x = 0, .y = 0, .width = size.width, .height = size.height};
        call(gpu::Command::resource_create_2d,
             gpu::ResourceCreate2d{.resource_id = 1,
                                   .format = static_cast<std::uint32_t>(gpu::Format::b8g8r8x8_unorm),
                                   .width = size.width,
                                   .height = size.height});
        struct Backing {
            gpu::AttachBacking attach;
            gpu::MemoryEntry entry;
        };
        call(gpu::Command::resource_attach_backing,
             Backing{.attach = {.resource_id = 1, .nr_entries = 1},
                     .entry = {.addr = address,
                               .length = static_cast<std::uint32_t>(pixels.size()),
                               .padding = 0}});
        call(gpu::Command::set_scanout, gpu::SetScanout{.r = all, .scanout_id = 0, .resource_id = 1});
        call(gpu::Command::transfer_to_host_2d,
             gpu::TransferToHost2d{.r = all, .offset = 0, .resource_id = 1, .padding = 0});
        call(gpu::Command::resource_flush, gpu::ResourceFlush{.r = all, .resource_id = 1, .padding = 0});
        return pixels;
    }

    [[nodiscard]] const kit::MmioDriver& registers() const { return driver_; }

  private:
    template <class Body>
    void call(gpu::Command command, const Body& body) {
        const gpu::Header header{.type = static_cast<std::uint32_t>(command),
                                 .flags = 0,
                                 .fence_id = 0,
                                 .ctx_id = 0,
                                 .ring_idx = 0,
                                 .padding = {}};
        auto chain = kit::ChainBuilder(queue_);
        chain.readable_value(header).readable_value(body).writable(sizeof(gpu::Header)).add();
        driver_.kick(0);
        REQUIRE(kit::eventually([&] { return queue_.has_used(); }));
        REQUIRE(queue_.take_used());
        driver_.acknowledge();
        gpu::Header answer{};
        std::memcpy(&answer, chain.written(0).data(), sizeof answer);
        CHECK(answer.type == static_cast<std::uint32_t>(gpu::Response::ok_nodata));
    }

    kit::SplitQueue queue_;
    kit::SplitQueue cursor_;
    kit::MmioDriver driver_;
};

/// All but the byte that nobody looks at.
bool is_same_picture(std::span<const std::byte> one, std::span<const std::byte> other) {
    if (one.size() != other.size()) {
        return false;
    }
    for (std::size_t i = 0; i < one.size(); ++i) {
        if (i % gpu::bytes_per_pixel != 3 && one[i] != other[i]) {
            return false;
        }
    }
    return true;
}

std::ptrdiff_t threads() {
    return std::distance(std::filesystem::directory_iterator("/proc/self/task"),
                         std::filesystem::directory_iterator());
}

} // namespace

TEST_CASE("a zone shows a picture on a headless screen, and it can be taken") {
    ZoneRig rig({}, windows());
    CHECK(attach(rig) == "gpu-a003400");
    const auto before = state_of(rig);
    REQUIRE(before.displays.size() == 1);
    CHECK(before.displays[0].is_connected);
    CHECK_FALSE(before.displays[0].is_on);
    CHECK(before.displays[0].width == small.width);
    CHECK(before.displays[0].refresh == 240000);
    CHECK(before.memory_used == 0);
    CHECK(before.memory_limit == 1 << 20);

    const auto pixels = Artist(rig).show(rig, small);
    const auto taken = rig.devices->take_screenshot("gpu-a003400", 0, false);
    REQUIRE(taken);
    CHECK(taken->size == small);
    CHECK(is_same_picture(taken->pixels, pixels));
    const auto after = state_of(rig);
    CHECK(after.displays[0].is_on);
    CHECK(after.displays[0].height == small.height);
    CHECK(after.displays[0].frames >= 1);
    CHECK(after.memory_used >= pixels.size());
    CHECK(after.memory_used <= after.memory_limit);
}

TEST_CASE("a screen that is off or not there says so") {
    ZoneRig rig({}, windows());
    attach(rig);
    const auto off = rig.devices->take_screenshot("gpu-a003400", 0, true);
    REQUIRE_FALSE(off);
    CHECK(off.error().code == ErrorCode::wrong_state);
    CHECK(rig.devices->take_screenshot("gpu-a003400", 1, false).error().code == ErrorCode::no_such_device);
    const auto disk = rig.devices->take_screenshot("block-a003c00", 0, false);
    REQUIRE_FALSE(disk);
    CHECK(disk.error().code == ErrorCode::no_such_device);
    CHECK(disk.error().message == "block-a003c00 is no GPU device, and has no display");
    CHECK(rig.devices->resize_display("gpu-a003400", 1, small).error().code == ErrorCode::no_such_device);
}

TEST_CASE("the guest is asked to use another size") {
    ZoneRig rig({}, windows());
    attach(rig);
    const Artist artist(rig);
    REQUIRE(rig.devices->resize_display("gpu-a003400", 0, {.width = 800, .height = 600}));
    CHECK(kit::eventually([&] { return state_of(rig).displays[0].width == 800; }));
    CHECK(kit::eventually([&] {
        return artist.registers().config<std::uint32_t>(offsetof(gpu::Config, events_read)) ==
               gpu::event_display;
    }));
    for (const gpu::Size wrong :
         {gpu::Size{}, gpu::Size{.width = 31, .height = 600}, gpu::Size{.width = 800, .height = 8193}}) {
        const auto refused = rig.devices->resize_display("gpu-a003400", 0, wrong);
        REQUIRE_FALSE(refused);
        CHECK(refused.error().code == ErrorCode::invalid_config);
    }
    CHECK(rig.devices->resize_display("gpu-a003400", 0, {.width = 0, .height = 600}).error().message ==
          "a display of 0 x 600 pixels; expected 32 to 8192 a side");
}

TEST_CASE("a GPU device has several screens") {
    ZoneRig rig({}, windows());
    attach(rig, headless(3));
    CHECK(state_of(rig).displays.size() == 3);
    CHECK(rig.driver(gpu_address).config<std::uint32_t>(offsetof(gpu::Config, num_scanouts)) == 3);
}

TEST_CASE("a GPU device goes while its picture is shown, and its thread with it") {
    ZoneRig rig({}, windows());
    const auto before = threads();
    attach(rig);
    CHECK(threads() == before + 1);
    Artist(rig).show(rig, small);
    const auto refused = rig.devices->detach("gpu-a003400", false);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::wrong_state);
    REQUIRE(rig.devices->detach("gpu-a003400", true));
    CHECK(rig.devices->inspect().size() == 2);
    CHECK(kit::eventually([&] { return threads() == before; }));
    CHECK(rig.driver(gpu_address).read(0, 4) == 0);
    // The next one in its place is a new one.
    attach(rig);
    CHECK_FALSE(state_of(rig).displays[0].is_on);
}

TEST_CASE("a zone stops while its picture is shown") {
    ZoneRig rig({}, windows());
    attach(rig);
    Artist artist(rig);
    artist.show(rig, small);
    rig.devices->quiesce();
    CHECK(artist.registers().get(virtio::Register::device_id) == 16);
    // It stays as it is for people to look at, without its screens.
    CHECK_FALSE(state_of(rig).displays.at(0).is_on);
    CHECK(rig.devices->take_screenshot("gpu-a003400", 0, false).error().code == ErrorCode::wrong_state);
    CHECK(rig.devices->resize_display("gpu-a003400", 0, small).error().code == ErrorCode::wrong_state);
    CHECK(state_of(rig).displays.at(0).frames >= 1);
}

TEST_CASE("a zone's screen needs a graphics card of the root zone") {
    if (std::filesystem::exists("/dev/dri")) {
        SKIP("this machine has graphics cards");
    }
    ZoneRig rig({}, windows());
    auto settings = headless();
    settings.model =
        GpuSettings{.config = {.backend = GpuBackend::drm, .card = "/dev/dri/card0", .displays = {{}}},
                    .location = "v.json:5:5: /zones/0/devices/0"};
    const auto before = threads();
    const auto attached = rig.devices->attach(std::move(settings));
    REQUIRE_FALSE(attached);
    CHECK(attached.error().code == ErrorCode::not_found);
    CHECK(attached.error().message.starts_with("gpu at 0xa003400: v.json:5:5: /zones/0/devices/0: "));
    CHECK(attached.error().message.contains("card0"));
    CHECK(threads() == before);
}

} // namespace gpu_test
