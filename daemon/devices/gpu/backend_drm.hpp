// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/reactor.hpp"
#include "devices/gpu/canvas.hpp"
#include "devices/gpu/drm_keeper.hpp"
#include "devices/gpu/screen.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace hvisor::devices::gpu {

struct DrmSettings {
    std::string card{};      ///< "/dev/dri/card0" or "card0"; "": the first with a connector as wanted
    std::string connector{}; ///< "HDMI-A-1"; "": the first connected one that no zone uses
    Size size{};             ///< of a mode that the display has; 0 x 0: its preferred one
    log::Fields about{};     ///< the zone and device, for messages
    DrmKeeper keeper{};
    std::optional<DrmInherited> inherited{};
};

/// One connector of a graphics card of the root zone, by KMS. A connector is
/// this screen's from open() to close(); it is taken from the root zone's
/// console only while a picture is shown (turn_on() … turn_off()). A card that
/// another program shows something on is waited for, and that is said once. What is
/// shown outlives this process, until another one shows the same.
class DrmScreen final : public Screen {
  public:
    /// Asks the display, which takes up to a second on slow wires: on the
    /// control thread. `resource_busy` when another zone has the connector.
    [[nodiscard]] static Result<std::unique_ptr<DrmScreen>> open(Reactor& owner, DrmSettings settings);
    ~DrmScreen() override;

    [[nodiscard]] ScreenFacts facts() const override;
    [[nodiscard]] Result<void> turn_on(const Picture& picture) override;
    void turn_off() override;
    [[nodiscard]] std::uint64_t present(const Rect& damage) override;
    [[nodiscard]] std::uint64_t shown() const override;
    void set_cursor(const Cursor* cursor) override;
    void move_cursor(CursorPosition position) override;
    [[nodiscard]] bool read(const Canvas& to) const override;
    /// Always `wrong_state`: the display decides.
    [[nodiscard]] Result<void> resize(Size size) override;
    void close() override;

    /// "card0-HDMI-A-1", as /sys/class/drm names it.
    [[nodiscard]] const std::string& name() const;

  private:
    struct Impl;
    explicit DrmScreen(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

} // namespace hvisor::devices::gpu
