// SPDX-License-Identifier: Apache-2.0
#include "vnc/session.hpp"

#include "vnc/frame.hpp"
#include "vnc/pointer_shape.hpp"

#include <array>
#include <chrono>
#include <memory>
#include <optional>
#include <poll.h>
#include <rfb/rfb.h>
#include <utility>
#include <variant>

namespace hvisor::vnc {
namespace {

using Clock = std::chrono::steady_clock;

/// To say which protocol it speaks, and the password.
constexpr std::chrono::seconds greeting_time{30};
/// Until the first picture: hvisord sends it at once.
constexpr std::chrono::seconds picture_time{10};

/// Bits of RFC 6143's button mask (7.5.5); four are no buttons but steps of wheels.
constexpr unsigned wheel_up = 1U << 3U;
constexpr unsigned wheel_down = 1U << 4U;
constexpr unsigned wheel_left = 1U << 5U;
constexpr unsigned wheel_right = 1U << 6U;
constexpr unsigned first_buttons = 7; ///< left, middle, right: as viewer::Pointer has them
constexpr unsigned back_button = 1U << 7U;
constexpr unsigned side_button = 1U << 3U; ///< of viewer::Pointer

constexpr int bits_per_sample = 8;
constexpr int samples = 3;

struct ScreenDeleter {
    void operator()(rfbScreenInfo* screen) const { rfbScreenCleanup(screen); }
};

/// libvncserver's screen with one client; its callbacks find their way back by screenData.
class Session {
  public:
    Session(viewer::Link link, const SessionSettings& settings)
        : link_(std::move(link)), settings_(settings), password_(settings.password) {}

    void run(UniqueFd client);

  private:
    /// False once hvisord has gone, or nothing came in time.
    [[nodiscard]] bool await_picture();
    [[nodiscard]] bool make_screen();
    /// All that hvisord has sent; false once it has gone.
    [[nodiscard]] bool take_messages();
    [[nodiscard]] bool take(viewer::Received& message);
    [[nodiscard]] bool show(Frame frame);
    void set_cursor();

    void type(bool is_pressed, std::uint32_t symbol);
    void point(unsigned mask, int x, int y);
    template <class T>
    void tell(const T& message);

    static Session& of(const rfbClientRec* client) {
        return *static_cast<Session*>(client->screen->screenData);
    }

    viewer::Link link_;
    const SessionSettings& settings_;
    std::string password_;
    std::array<char*, 2> passwords_{}; ///< the list that libvncserver wants
    std::optional<Frame> frame_;
    std::optional<viewer::Cursor> cursor_;
    std::unique_ptr<rfbScreenInfo, ScreenDeleter> screen_; ///< uses the frame
    rfbClientRec* client_ = nullptr;                       ///< the screen's; null once it has gone
    unsigned last_mask_ = 0;
    bool is_over_ = false;
};

void Session::run(UniqueFd client) {
    const int fd = client.get();
    if (!await_picture() || !make_screen()) {
        return;
    }
    client_ = rfbNewClient(screen_.get(), client.release()); // which closes it, whatever happens
    if (client_ == nullptr) {
        return;
    }
    client_->clientGoneHook = [](rfbClientRec* gone) { of(gone).client_ = nullptr; };
    const auto deadline = Clock::now() + greeting_time;
    while (!is_over_ && client_ != nullptr) {
        const bool is_greeted = client_->state == rfbClientRec::RFB_NORMAL;
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
        if (!is_greeted && left <= 0) {
            return;
        }
        std::array waits{pollfd{.fd = link_.fd(), .events = POLLIN, .revents = 0},
                         pollfd{.fd = fd, .events = POLLIN, .revents = 0}};
        static_cast<void>(::poll(waits.data(), waits.size(), is_greeted ? -1 : static_cast<int>(left)));
        if (waits[0].revents != 0 && !take_messages()) {
            return;
        }
        // One message of the client's, and what there is to send to it.
        static_cast<void>(rfbProcessEvents(screen_.get(), 0));
    }
}

bool Session::await_picture() {
    const auto deadline = Clock::now() + picture_time;
    while (!frame_) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
        pollfd wait{.fd = link_.fd(), .events = POLLIN, .revents = 0};
        if (left <= 0 || (::poll(&wait, 1, static_cast<int>(left)) > 0 && !take_messages())) {
            return false;
        }
    }
    return true;
}

void set_format(rfbScreenInfo& screen) {
    // Bytes of blue, green and red, as this machine has them in a number.
    constexpr std::uint8_t red = 16;
    constexpr std::uint8_t green = 8;
    screen.serverFormat.redShift = red;
    screen.serverFormat.greenShift = green;
    screen.serverFormat.blueShift = 0;
}

bool Session::make_screen() {
    int no_arguments = 0;
    screen_.reset(rfbGetScreen(&no_arguments, nullptr, static_cast<int>(frame_->width()),
                               static_cast<int>(frame_->height()), bits_per_sample, samples,
                               static_cast<int>(bytes_per_pixel)));
    if (!screen_) {
        return false;
    }
    set_format(*screen_);
    screen_->frameBuffer = frame_->data();
    screen_->screenData = this;
    screen_->desktopName = settings_.name.c_str();
    screen_->alwaysShared = TRUE; // each viewer has a screen of its own
    screen_->deferUpdateTime = 0;
    screen_->deferPtrUpdateTime = 0;
    // It listens nowhere.
    screen_->port = screen_->ipv6port = screen_->udpPort = screen_->httpPort = screen_->http6Port = 0;
    screen_->autoPort = FALSE;
    if (!password_.empty()) {
        passwords_ = {password_.data(), nullptr};
        screen_->authPasswdData = static_cast<void*>(passwords_.data());
        screen_->passwordCheck = rfbCheckPasswordByList;
    }
    screen_->kbdAddEvent = [](rfbBool down, rfbKeySym symbol, rfbClientRec* client) {
        of(client).type(down != FALSE, symbol);
    };
    screen_->ptrAddEvent = [](int mask, int x, int y, rfbClientRec* client) {
        of(client).point(static_cast<unsigned>(mask), x, y);
        rfbDefaultPtrAddEvent(mask, x, y, client);
    };
    // The guest draws as it likes; when it does, the viewer is told.
    screen_->setDesktopSizeHook = [](int width, int height, int, rfbExtDesktopScreen*,
                                     rfbClientRec* client) -> int {
        of(client).tell(viewer::Resize{.width = static_cast<std::uint32_t>(width),
                                       .height = static_cast<std::uint32_t>(height)});
        return rfbExtDesktopSize_Success;
    };
    set_cursor();
    rfbInitServer(screen_.get());
    return true;
}

bool Session::take_messages() {
    for (;;) {
        auto received = link_.receive();
        if (std::holds_alternative<viewer::Nothing>(received)) {
            return true;
        }
        auto* message = std::get_if<viewer::Received>(&received);
        if (message == nullptr || !take(*message)) {
            return false;
        }
    }
}

bool Session::take(viewer::Received& message) {
    const auto is_size = [](std::uint32_t width, std::uint32_t height) {
        return width > 0 && width <= max_side && height > 0 && height <= max_side;
    };
    if (const auto picture = message.as<viewer::Picture>()) {
        return is_size(picture->width, picture->height) && show(Frame(*picture, message.take_file()));
    }
    if (const auto dark = message.as<viewer::Dark>()) {
        return is_size(dark->width, dark->height) && show(Frame(dark->width, dark->height));
    }
    if (const auto changed = message.as<viewer::Changed>()) {
        if (frame_ && frame_->refresh(*changed) && screen_) {
            rfbMarkRectAsModified(screen_.get(), static_cast<int>(changed->x), static_cast<int>(changed->y),
                                  static_cast<int>(changed->x + changed->width),
                                  static_cast<int>(changed->y + changed->height));
        }
        return true;
    }
    if (const auto cursor = message.as<viewer::Cursor>()) {
        cursor_ = *cursor;
        set_cursor();
        return true;
    }
    if (message.as<viewer::NoCursor>()) {
        cursor_.reset();
        set_cursor();
        return true;
    }
    return false;
}

void Session::set_cursor() {
    if (screen_) {
        rfbSetCursor(screen_.get(), cursor_ ? make_pointer_shape(*cursor_) : nullptr);
    }
}

bool Session::show(Frame frame) {
    // The library draws from the old one until it has the new.
    const auto old = std::exchange(frame_, std::move(frame));
    if (screen_) {
        rfbNewFramebuffer(screen_.get(), frame_->data(), static_cast<int>(frame_->width()),
                          static_cast<int>(frame_->height()), bits_per_sample, samples,
                          static_cast<int>(bytes_per_pixel));
        // It has set the order of colours that it likes best.
        set_format(*screen_);
        if (client_ != nullptr) {
            screen_->setTranslateFunction(client_);
        }
    }
    return true;
}

void Session::type(bool is_pressed, std::uint32_t symbol) {
    if (const auto code = settings_.keyboard.code_of(symbol)) {
        tell(viewer::Key{.code = *code, .is_pressed = static_cast<std::uint16_t>(is_pressed ? 1 : 0)});
    }
}

void Session::point(unsigned mask, int x, int y) {
    const unsigned pressed = mask & ~std::exchange(last_mask_, mask);
    const auto steps = [pressed](unsigned forth, unsigned back) {
        return ((pressed & forth) != 0 ? 1 : 0) - ((pressed & back) != 0 ? 1 : 0);
    };
    if (x < 0 || y < 0) {
        return;
    }
    tell(viewer::Pointer{.x = static_cast<std::uint32_t>(x),
                         .y = static_cast<std::uint32_t>(y),
                         .buttons = (mask & first_buttons) | ((mask & back_button) != 0 ? side_button : 0),
                         .wheel = steps(wheel_up, wheel_down),
                         .horizontal_wheel = steps(wheel_right, wheel_left)});
}

/// A hvisord that does not read what is typed has worse troubles than a lost key; but
/// a key that stays down would be one, so who cannot be told leaves.
template <class T>
void Session::tell(const T& message) {
    if (link_.send(message) != viewer::Sent::yes) {
        is_over_ = true;
    }
}

} // namespace

void run_session(UniqueFd client, viewer::Link link, const SessionSettings& settings) {
    Session(std::move(link), settings).run(std::move(client));
}

} // namespace hvisor::vnc
