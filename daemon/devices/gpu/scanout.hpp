// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "devices/gpu/canvas.hpp"
#include "devices/gpu/device.hpp"
#include "devices/gpu/frame_rate.hpp"
#include "devices/gpu/kept_scanout.hpp"
#include "devices/gpu/memory_budget.hpp"
#include "devices/gpu/outcome.hpp"
#include "devices/gpu/screen.hpp"
#include "devices/gpu/view.hpp"

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>

namespace hvisor::devices::gpu {

/// One scanout (virtio 1.2, 5.7.6.5): what of which resource is on a screen.
/// All but state() is the owner's.
class Scanout final : private Picture {
  public:
    /// `kept` outlives it.
    Scanout(std::unique_ptr<Screen> screen, MemoryBudget& budget, const KeptScanout& kept);
    Scanout(const Scanout&) = delete;
    Scanout& operator=(const Scanout&) = delete;
    Scanout(Scanout&&) = delete;
    Scanout& operator=(Scanout&&) = delete;
    ~Scanout() override = default;

    [[nodiscard]] Screen& screen() { return *screen_; }
    [[nodiscard]] ScreenFacts facts() const { return screen_->facts(); }
    [[nodiscard]] bool shows(const Resource& resource) const {
        const auto& latest = next_ ? next_ : view_;
        return latest && latest->is_of(resource);
    }

    /// Show it instead of what is there; an error of the screen's, or nothing.
    /// When it cannot be shown the scanout is off.
    struct Shown {
        Outcome<void> outcome;
        std::optional<Error> screen_error = std::nullopt;
    };
    [[nodiscard]] Shown show(const View& view);
    void hide();

    /// What of the framebuffer a flush of this part is going to show: the renderer has to
    /// bring it up to date first. Empty when that is nothing.
    [[nodiscard]] Rect outdated(const GuestRect& changed) const;
    /// The driver says that this part of what it shows has changed. The frame
    /// with it, or nothing when it is not to be seen.
    [[nodiscard]] std::optional<std::uint64_t> flush(const GuestRect& changed);
    /// Draw what was shown by show() and not by a flush since.
    void catch_up();
    /// Nobody has to wait for that frame any more.
    [[nodiscard]] bool is_shown(std::uint64_t frame) const { return !view_ || screen_->shown() >= frame; }

    /// Null: none.
    void set_cursor(const Cursor* cursor);
    void move_cursor(CursorPosition position);

    /// What another process showed, and this one does not, is not to be seen any more.
    void remove_remains() {
        if (!view_) {
            screen_->turn_off();
        }
    }
    /// Somebody has asked the driver to use another size.
    void note_preferred() { kept_.set_preferred(screen_->facts().preferred); }
    /// Ask for what was asked for in another process.
    void restore_preferred();

    [[nodiscard]] Result<Screenshot> take_screenshot(bool with_cursor) const;

    /// The screen has shown more.
    void note_frames();
    /// The same, and it is another one, or shows something else.
    void note();
    /// Any thread; never waits for long.
    [[nodiscard]] ScanoutState state() const;

  private:
    [[nodiscard]] Size size() const override { return view_ ? view_->size() : Size{}; }
    void paint(const Rect& part, const Canvas& to) const override;

    std::unique_ptr<Screen> screen_;
    std::optional<View> view_; ///< what the screen shows
    std::optional<View> next_; ///< what the driver wants to be seen, once the renderer has it read
    Rect stale_;               ///< of another view that the screen does not show yet
    KeptScanout kept_;
    MemoryBudget::Share share_;     ///< for the copy that the screen has
    std::uint64_t seen_frames_ = 0; ///< of the screen's

    mutable std::mutex lock_;
    ScanoutState state_; ///< under lock_
    FrameRate rate_;     ///< under lock_
};

} // namespace hvisor::devices::gpu
