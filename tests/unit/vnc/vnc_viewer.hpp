// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <rfb/rfbclient.h>
#include <string>

namespace hvisor::vnc::test {

/// Somebody with a VNC viewer, which is libvncclient. Its pixels are 0x00RRGGBB.
class VncViewer {
  public:
    struct Options {
        std::string password{};
        const char* encodings = "tight zrle raw";
        int port = 0; ///< of 127.0.0.1; 0: `address` is a socket's path
    };

    /// Connects, if the server lets it.
    explicit VncViewer(const std::string& address) : VncViewer(address, Options{}) {}
    VncViewer(const std::string& address, Options options) : options_(std::move(options)) {
        rfbClientLog = rfbClientErr = say_nothing;
        static_cast<void>(std::signal(SIGPIPE, SIG_IGN)); // the library writes to whom has gone
        client_ = rfbGetClient(8, 3, 4);
        client_->format.redShift = 16;
        client_->format.greenShift = 8;
        client_->format.blueShift = 0;
        client_->canHandleNewFBSize = TRUE;
        client_->appData.encodingsString = options_.encodings;
        client_->appData.useRemoteCursor = TRUE;
        client_->appData.enableJPEG = FALSE; // which loses something
        std::free(client_->serverHost);
        client_->serverHost = ::strdup(address.c_str());
        client_->serverPort = options_.port;
        client_->GetPassword = [](rfbClient* client) {
            return ::strdup(of(client).options_.password.c_str());
        }; // the library's own
        client_->GotCursorShape = [](rfbClient* client, int x, int y, int width, int height, int) {
            auto& viewer = of(client);
            viewer.cursor_hot_x = x;
            viewer.cursor_hot_y = y;
            viewer.cursor_width = width;
            viewer.cursor_height = height;
            ++viewer.cursor_shapes;
        };
        rfbClientSetClientData(client_, &tag, this);
        if (rfbInitClient(client_, nullptr, nullptr) == FALSE) {
            client_ = nullptr; // it has freed it
        }
    }
    VncViewer(const VncViewer&) = delete;
    VncViewer& operator=(const VncViewer&) = delete;
    VncViewer(VncViewer&&) = delete;
    VncViewer& operator=(VncViewer&&) = delete;
    ~VncViewer() { leave(); }

    void leave() {
        if (client_ != nullptr) {
            std::free(client_->frameBuffer);
            client_->frameBuffer = nullptr;
            rfbClientCleanup(client_);
            client_ = nullptr;
        }
    }

    [[nodiscard]] bool is_connected() const { return client_ != nullptr; }
    [[nodiscard]] rfbClient* client() { return client_; }
    [[nodiscard]] std::string title() const { return client_->desktopName; }
    [[nodiscard]] int width() const { return client_->width; }
    [[nodiscard]] int height() const { return client_->height; }
    [[nodiscard]] std::uint32_t pixel(int x, int y) const {
        std::uint32_t value = 0;
        std::memcpy(&value, client_->frameBuffer + 4 * (static_cast<long>(client_->width) * y + x),
                    sizeof value);
        return value & 0xffffff;
    }

    /// Take what comes until the condition holds; false when it never does, or the server has gone.
    bool until(const std::function<bool()>& condition) {
        constexpr int tries = 1000;
        for (int i = 0; i < tries && client_ != nullptr; ++i) {
            if (condition()) {
                return true;
            }
            const int ready = WaitForMessage(client_, 10'000);
            if (ready < 0 || (ready > 0 && HandleRFBServerMessage(client_) == FALSE)) {
                leave();
            }
        }
        return condition();
    }
    /// Until the server has sent this one away.
    bool until_gone() {
        return until([this] { return client_ == nullptr; });
    }

    int cursor_shapes = 0;
    int cursor_hot_x = -1;
    int cursor_hot_y = -1;
    int cursor_width = -1;
    int cursor_height = -1;

  private:
    static VncViewer& of(rfbClient* client) {
        return *static_cast<VncViewer*>(rfbClientGetClientData(client, &tag));
    }

    static void say_nothing(const char* /*format*/, ...) {}

    static inline char tag = 0;
    Options options_;
    rfbClient* client_ = nullptr;
};

} // namespace hvisor::vnc::test
