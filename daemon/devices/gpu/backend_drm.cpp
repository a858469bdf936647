// SPDX-License-Identifier: Apache-2.0
#include "devices/gpu/backend_drm.hpp"

#include "base/errno_text.hpp"
#include "base/rate_limit.hpp"
#include "devices/gpu/drm_events.hpp"
#include "devices/gpu/drm_mode.hpp"
#include "devices/gpu/drm_place.hpp"
#include "devices/gpu/drm_stage.hpp"
#include "devices/gpu/flip_chain.hpp"

#include <algorithm>
#include <chrono>
#include <format>
#include <limits>
#include <optional>
#include <sys/epoll.h>
#include <utility>

namespace hvisor::devices::gpu {
namespace {

/// Until another try when the display could not take a flip: less than a frame.
constexpr std::chrono::milliseconds busy_pause{4};
/// Until another look at a card that somebody else has: the kernel tells nobody when it is free.
constexpr std::chrono::seconds next_look{1};
constexpr std::uint32_t usual_refresh = 60000;
/// What a driver may use while no display says anything.
constexpr Size usual_size{.width = 1024, .height = 768};

const drmModeModeInfo* own_mode(const Connector& connector, Size wanted) {
    const auto* mode = wanted.empty() ? nullptr : find_mode(connector.modes, wanted);
    return mode != nullptr ? mode : preferred_mode(connector.modes);
}

bool is_alike(const Connector& a, const Connector& b) {
    return a.is_connected == b.is_connected && a.edid == b.edid && a.millimetres == b.millimetres &&
           std::ranges::equal(a.modes, b.modes, is_same);
}

std::string sizes_of(const Connector& connector) {
    std::string text;
    Size last{};
    for (const auto& mode : connector.modes) {
        if (size_of(mode) != last) {
            last = size_of(mode);
            text += std::format("{}{} x {}", text.empty() ? "" : ", ", last.width, last.height);
        }
    }
    return text.empty() ? "none" : text;
}

std::int32_t shifted(std::int32_t position, std::uint32_t by) {
    return static_cast<std::int32_t>(std::clamp<std::int64_t>(std::int64_t{position} + by,
                                                              std::numeric_limits<std::int32_t>::min(),
                                                              std::numeric_limits<std::int32_t>::max()));
}

} // namespace

struct DrmScreen::Impl {
    Impl(Reactor& reactor, DrmPlace place, DrmEvents heard, DrmSettings settings)
        : owner(reactor),
          card(place.claim.card()),
          connector(place.claim.connector()),
          claim(std::move(place.claim)),
          remains(std::move(place.remains)),
          keeper(std::move(settings.keeper)),
          events(std::move(heard)),
          wanted(settings.size),
          label(std::format("{}: {}", card->name(), connector.name)),
          name(std::format("{}-{}", card->name(), connector.name)),
          timer(reactor, [this] { proceed([this] { return chain.resume(); }); }),
          log(std::move(settings.about)),
          look_timer(reactor, [this] { show_or_say(false); }) {}

    /// At once, or as soon as nobody else has what it takes. Errors name the connector; it is off then.
    [[nodiscard]] Result<void> show_when_free(const Picture& shown_picture, bool sets_mode);
    /// The picture that is to be seen.
    void show_or_say(bool sets_mode);
    [[nodiscard]] Result<void> show(const Picture& shown_picture, bool sets_mode);
    [[nodiscard]] Result<void> light(const drmModeModeInfo& mode);
    void turn_off();
    void show_cursor();
    void place_cursor();
    /// Something happened to the chain: go on, then tell of what is shown now.
    template <class Step>
    void proceed(Step step);
    void look();
    void report(const FlipChain::Outcome& outcome);

    Reactor& owner;
    const std::shared_ptr<DrmCard> card;
    Connector connector; ///< as it is now
    std::optional<DrmClaim> claim;
    std::optional<DrmRemains> remains; ///< until the mode is to be seen
    const DrmKeeper keeper;
    DrmEvents events;
    const Size wanted;
    const std::string label; ///< before messages
    const std::string name;
    Reactor::Timer timer;
    RateLimit log;
    FlipChain chain;
    std::unique_ptr<DrmStage> stage;  ///< while a picture is shown
    const Picture* picture = nullptr; ///< also while no display or another program is in its way
    Reactor::Timer look_timer;
    bool waits = false; ///< for a card that somebody else has
    Placement placement;
    std::optional<Cursor> cursor;
    CursorPosition cursor_position;
    const Listener* listener = nullptr;
    bool is_closed = false;
};

Result<std::unique_ptr<DrmScreen>> DrmScreen::open(Reactor& owner, DrmSettings settings) {
    auto place = find_place(settings.card, settings.connector, std::format("zone {}", settings.about.zone),
                            std::move(settings.inherited));
    if (!place) {
        return std::unexpected(std::move(place).error());
    }
    const auto& card = place->claim.card()->name();
    const auto& connector = place->claim.connector();
    if (connector.is_connected && !settings.size.empty() &&
        find_mode(connector.modes, settings.size) == nullptr) {
        return fail(ErrorCode::invalid_config, "{}: {}: the display has no mode of {} x {}; it has {}", card,
                    connector.name, settings.size.width, settings.size.height, sizes_of(connector));
    }
    auto events = DrmEvents::open(card);
    if (!events) {
        return std::unexpected(std::move(events).error());
    }
    std::unique_ptr<DrmScreen> screen(new DrmScreen(
        std::make_unique<Impl>(owner, std::move(*place), std::move(*events), std::move(settings))));
    Result<void> watched;
    owner.call([&watched, impl = screen->impl_.get()] {
        watched = impl->owner.watch(impl->events.fd(), EPOLLIN, [impl](std::uint32_t) {
            if (impl->events.update()) {
                impl->look();
            }
        });
    });
    if (!watched) {
        return std::unexpected(std::move(watched).error());
    }
    return screen;
}

DrmScreen::DrmScreen(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {
    impl_->listener = &listener();
}

DrmScreen::~DrmScreen() {
    impl_->owner.call([this] { DrmScreen::close(); });
}

void DrmScreen::close() {
    if (!impl_->is_closed) {
        impl_->is_closed = true;
        impl_->turn_off();
        impl_->owner.unwatch(impl_->events.fd());
        impl_->claim.reset();
    }
}

const std::string& DrmScreen::name() const {
    return impl_->name;
}

ScreenFacts DrmScreen::facts() const {
    const auto& connector = impl_->connector;
    const auto* mode = own_mode(connector, impl_->wanted);
    ScreenFacts facts;
    facts.is_connected = connector.is_connected;
    facts.connector = connector.name;
    facts.preferred = mode != nullptr ? size_of(*mode) : impl_->wanted.empty() ? usual_size : impl_->wanted;
    facts.refresh = mode != nullptr ? refresh_of(*mode) : usual_refresh;
    facts.millimetres = connector.millimetres;
    // Drivers prefer what an EDID says to all else, so with a size of ours it must say that.
    if (impl_->wanted.empty()) {
        facts.edid = connector.edid;
    }
    return facts;
}

Result<void> DrmScreen::turn_on(const Picture& picture) {
    return impl_->show_when_free(picture, false);
}

void DrmScreen::turn_off() {
    impl_->turn_off();
}

std::uint64_t DrmScreen::present(const Rect& damage) {
    impl_->report(impl_->chain.present(damage));
    return impl_->chain.presented();
}

std::uint64_t DrmScreen::shown() const {
    return impl_->chain.shown();
}

void DrmScreen::set_cursor(const Cursor* cursor) {
    impl_->cursor = cursor != nullptr ? std::optional(*cursor) : std::nullopt;
    impl_->show_cursor();
}

void DrmScreen::move_cursor(CursorPosition position) {
    impl_->cursor_position = position;
    impl_->place_cursor();
}

bool DrmScreen::read(const Canvas& to) const {
    if (!impl_->chain.is_on()) {
        return false;
    }
    impl_->chain.read(to);
    return true;
}

Result<void> DrmScreen::resize(Size /*size*/) {
    return fail(ErrorCode::wrong_state,
                "{}: the display decides which sizes it has: choose one by \"width\" and \"height\" in the "
                "zone's configuration",
                impl_->label);
}

Result<void> DrmScreen::Impl::show_when_free(const Picture& shown_picture, bool sets_mode) {
    auto done = show(shown_picture, sets_mode);
    if (done) {
        waits = false;
        return done;
    }
    const bool has_waited = waits;
    turn_off();
    if (done.error().code != ErrorCode::resource_busy) {
        return std::unexpected(std::move(done).error().with_context(label));
    }
    picture = &shown_picture;
    waits = true;
    look_timer.set(Reactor::Clock::now() + next_look);
    if (!has_waited) {
        log.warning("{}: {}; the zone is seen as soon as that has ended", label, done.error().message);
    }
    return {};
}

void DrmScreen::Impl::show_or_say(bool sets_mode) {
    if (auto done = show_when_free(*picture, sets_mode); !done) {
        log.warning("{}", done.error().message);
    }
}

Result<void> DrmScreen::Impl::show(const Picture& shown_picture, bool sets_mode) {
    if (!connector.is_connected) {
        // A display that is plugged in later shows it.
        turn_off();
        picture = &shown_picture;
        return {};
    }
    const auto* mode = find_mode(connector.modes, shown_picture.size());
    if (mode == nullptr) {
        mode = own_mode(connector, wanted);
    }
    const bool stays = !sets_mode && stage != nullptr && is_same(*stage->mode(), *mode);
    if (!stays) {
        if (auto done = light(*mode); !done) {
            return done;
        }
    }
    picture = &shown_picture;
    placement = place(picture->size(), size_of(*mode));
    const auto outcome = stays ? chain.change(*picture, placement) : chain.begin(*stage, *picture, placement);
    place_cursor();
    if (!outcome) {
        return fail(ErrorCode::failed, "the card refuses a picture of {} x {}: {}", mode->hdisplay,
                    mode->vdisplay, errno_text(outcome.error()));
    }
    return {};
}

Result<void> DrmScreen::Impl::light(const drmModeModeInfo& mode) {
    if (stage != nullptr) {
        return stage->use(mode);
    }
    auto opened = DrmStage::open(*card, connector, [this](Flip reason) {
        const auto frame = std::chrono::duration_cast<Reactor::Clock::duration>(
            std::chrono::duration<double>(1000.0 / std::max(1U, refresh_of(*stage->mode()))));
        timer.set(Reactor::Clock::now() + (reason == Flip::busy ? busy_pause : frame));
    });
    if (!opened) {
        return std::unexpected(std::move(opened).error());
    }
    stage = std::move(*opened);
    if (keeper.keep) {
        keeper.keep({.card = card->name(),
                     .connector = connector.name,
                     .master = stage->lease().master(),
                     .lease = stage->fd()});
    }
    if (auto done = stage->use(mode); !done) {
        return done;
    }
    // The card is not told to hide what it does not show yet, which a driver may refuse.
    if (cursor) {
        show_cursor();
    } else {
        report(chain.set_cursor(nullptr));
    }
    return owner.watch(stage->fd(), EPOLLIN, [this](std::uint32_t events_now) {
        if ((events_now & EPOLLIN) == 0) {
            // The card is gone; the kernel's message about it comes by itself.
            owner.pause(stage->fd());
            return;
        }
        for (auto flips = take_flips(stage->fd()); flips > 0 && stage != nullptr; --flips) {
            proceed([this] { return chain.flipped(); });
        }
    });
}

void DrmScreen::Impl::turn_off() {
    chain.end();
    timer.cancel();
    look_timer.cancel();
    waits = false;
    picture = nullptr;
    // First: a card whose master nobody has closed yet does not look at its displays for
    // whoever opens it next, and lends nothing.
    if (keeper.drop) {
        keeper.drop();
    }
    if (stage != nullptr) {
        owner.unwatch(stage->fd());
        stage.reset();
    }
    remains.reset();
}

void DrmScreen::Impl::show_cursor() {
    if (stage == nullptr) {
        return;
    }
    const auto* now = cursor ? &*cursor : nullptr;
    if (stage->show_cursor(now)) {
        report(chain.set_cursor(nullptr));
        return;
    }
    report(chain.set_cursor(now));
    place_cursor();
}

void DrmScreen::Impl::place_cursor() {
    const CursorPosition on_display{.x = shifted(cursor_position.x, placement.x),
                                    .y = shifted(cursor_position.y, placement.y)};
    if (stage != nullptr && !stage->move_cursor(on_display)) {
        report(chain.move_cursor(on_display));
    }
}

template <class Step>
void DrmScreen::Impl::proceed(Step step) {
    const auto before = chain.shown();
    report(step());
    if (stage != nullptr && !chain.is_beginning()) {
        stage->settle();
        remains.reset();
    }
    // Last, as whoever hears it may turn the screen off.
    if (chain.shown() != before && listener->shown) {
        listener->shown();
    }
}

void DrmScreen::Impl::report(const FlipChain::Outcome& outcome) {
    if (!outcome) {
        log.warning("{}: cannot show a picture: {}", label, errno_text(outcome.error()));
    }
}

void DrmScreen::Impl::look() {
    auto now = card->ask(connector);
    if (!now) {
        // The card, or a dock with the connector, was taken away.
        now = connector;
        now->is_connected = false;
        now->modes.clear();
        now->edid.clear();
    }
    if (is_alike(connector, *now)) {
        return;
    }
    const bool came = !connector.is_connected && now->is_connected;
    connector = std::move(*now);
    if (came && picture != nullptr) {
        // Another display, or one whose cable forgets its mode.
        show_or_say(true);
    }
    if (listener->changed) {
        listener->changed();
    }
}

} // namespace hvisor::devices::gpu
