// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "devices/gpu/backend_headless.hpp"
#include "kit/helper_process.hpp"
#include "kit/wait.hpp"
#include "unit/zone/temporary_directory.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <spawn.h>
#include <stdexcept>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace hvisor::vnc::test {

using devices::gpu::Canvas;
using devices::gpu::Rect;
using devices::gpu::Size;

/// Every pixel another one, so that none can be mistaken.
struct Pattern final : devices::gpu::Picture {
    explicit Pattern(Size wanted) : shown(wanted) {}
    [[nodiscard]] Size size() const override { return shown; }
    [[nodiscard]] std::uint32_t at(std::uint32_t x, std::uint32_t y) const {
        return ((x & 0xffU) << 16U) | ((y & 0xffU) << 8U) | ((7 * x + 13 * y + seed) & 0xffU);
    }
    void paint(const Rect& part, const Canvas& to) const override {
        for (auto y = part.y; y < part.y + part.height; ++y) {
            for (auto x = part.x; x < part.x + part.width; ++x) {
                const auto pixel = at(x, y);
                std::memcpy(to.at(x, y), &pixel, sizeof pixel);
            }
        }
    }
    Size shown;
    std::uint32_t seed = 0;
};

/// hvisor-vnc as it runs without a service manager.
struct Helper : kit::HelperProcess {
    explicit Helper(std::string path) : HelperProcess("HVISOR_VNC", std::move(path)) {}
};

struct VncRig {
    explicit VncRig(devices::gpu::VncSettings wanted = {}) : settings(std::move(wanted)) {
        settings.helper = directory.path() / "vnc-server";
        if (settings.address.empty()) {
            settings.address = directory.path() / "screen";
        }
        if (settings.keymap.empty()) {
            settings.keymap = "us";
        }
        settings.name = "linux2";
        settings.about = {.zone = "linux2", .device = "gpu-a003400"};
    }
    VncRig(const VncRig&) = delete;
    VncRig& operator=(const VncRig&) = delete;
    VncRig(VncRig&&) = delete;
    VncRig& operator=(VncRig&&) = delete;
    ~VncRig() {
        on([this] { screen->close(); });
        on([this] { screen.reset(); });
    }

    void on(const std::function<void()>& act) {
        reactor->call([&] { act(); });
    }
    /// The screen is served, and whoever asks can connect.
    bool serve() {
        on([this] { screen->listen({.shown = [] {}, .changed = [this] { ++told_changed; }}); });
        auto served = screen->serve(settings, {.key =
                                                   [this](std::uint16_t code, bool is_pressed) {
                                                       const std::scoped_lock guard(lock);
                                                       keys.emplace_back(code, is_pressed);
                                                   },
                                               .point =
                                                   [this](const viewer::Pointer& pointer, Size) {
                                                       const std::scoped_lock guard(lock);
                                                       pointers.push_back(pointer);
                                                   },
                                               .resize = {}});
        return served.has_value();
    }
    void show(Pattern& picture) {
        on([&] {
            if (!screen->turn_on(picture)) {
                throw std::runtime_error("cannot show a picture");
            }
        });
    }
    std::vector<std::pair<std::uint16_t, bool>> typed() {
        const std::scoped_lock guard(lock);
        return keys;
    }
    std::vector<viewer::Pointer> pointed() {
        const std::scoped_lock guard(lock);
        return pointers;
    }
    bool has_viewers(std::size_t count) {
        return kit::eventually([&] { return screen->viewers() == count; }, std::chrono::seconds(20));
    }

    zone::test::TemporaryDirectory directory;
    devices::gpu::VncSettings settings;
    std::mutex lock;
    std::vector<std::pair<std::uint16_t, bool>> keys; ///< under lock
    std::vector<viewer::Pointer> pointers;            ///< the same
    std::atomic<int> told_changed = 0;
    std::unique_ptr<Reactor> reactor = *Reactor::start({.name = "test", .cpus = {}, .on_crash = {}});
    std::unique_ptr<devices::gpu::HeadlessScreen> screen =
        std::make_unique<devices::gpu::HeadlessScreen>(*reactor, Size{.width = 320, .height = 200}, 0U);
};

} // namespace hvisor::vnc::test
