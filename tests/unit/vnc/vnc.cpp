// SPDX-License-Identifier: Apache-2.0
// What viewers see of a screen.
#include "kit/captured_log.hpp"
#include "vnc_rig.hpp"
#include "vnc_viewer.hpp"

#include <arpa/inet.h>
#include <catch2/catch_test_macros.hpp>
#include <fcntl.h>
#include <filesystem>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

using namespace hvisor;
using namespace hvisor::vnc::test;

namespace {

constexpr Size size{.width = 320, .height = 200};

/// Every pixel is the picture's.
bool shows(const VncViewer& viewer, const Pattern& picture) {
    if (viewer.width() != static_cast<int>(picture.shown.width) ||
        viewer.height() != static_cast<int>(picture.shown.height)) {
        return false;
    }
    for (std::uint32_t y = 0; y < picture.shown.height; ++y) {
        for (std::uint32_t x = 0; x < picture.shown.width; ++x) {
            if (viewer.pixel(static_cast<int>(x), static_cast<int>(y)) != picture.at(x, y)) {
                return false;
            }
        }
    }
    return true;
}

struct LoopbackSocket {
    UniqueFd socket;
    int port = 0;
};

/// A socket that has a port of 127.0.0.1 which nobody used.
LoopbackSocket bind_loopback() {
    LoopbackSocket bound{.socket = UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0))};
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    REQUIRE(::bind(bound.socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(::getsockname(bound.socket.get(), reinterpret_cast<sockaddr*>(&address), &length) == 0);
    bound.port = ntohs(address.sin_port);
    return bound;
}

UniqueFd connect_to(const std::string& path, int type = SOCK_STREAM) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    UniqueFd socket(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
    REQUIRE(::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    return socket;
}

} // namespace

TEST_CASE("vnc: a viewer sees the picture, pixel by pixel, and what changes of it") {
    for (const char* encodings : {"raw", "hextile", "zrle", "tight"}) {
        CAPTURE(encodings);
        VncRig rig;
        const Helper helper(rig.settings.helper);
        REQUIRE(rig.serve());
        Pattern picture(size);
        rig.show(picture);
        VncViewer viewer(rig.settings.address, {.encodings = encodings});
        REQUIRE(viewer.is_connected());
        CHECK(viewer.title() == "linux2");
        CHECK(viewer.until([&] { return shows(viewer, picture); }));
        CHECK(rig.screen->viewers() == 1);

        const Rect part{.x = 5, .y = 7, .width = 100, .height = 33};
        const Pattern before(size);
        rig.on([&] {
            picture.seed = 99;
            static_cast<void>(rig.screen->present(part));
        });
        CHECK(viewer.until([&] { return viewer.pixel(104, 39) == picture.at(104, 39); }));
        CHECK(viewer.pixel(105, 39) == before.at(105, 39));
        CHECK(viewer.pixel(4, 7) == before.at(4, 7));
        viewer.leave();
        CHECK(rig.has_viewers(0));
    }
}

TEST_CASE("vnc: what is dark is dark, in the size that the guest is asked for") {
    VncRig rig;
    const Helper helper(rig.settings.helper);
    REQUIRE(rig.serve());
    VncViewer viewer(rig.settings.address);
    REQUIRE(viewer.is_connected());
    CHECK(viewer.width() == 320);
    CHECK(viewer.height() == 200);
    CHECK(viewer.until([&] { return viewer.pixel(319, 199) == 0; }));

    Pattern picture(Size{.width = 401, .height = 301});
    rig.show(picture);
    CHECK(viewer.until([&] { return shows(viewer, picture); }));
    rig.on([&] { rig.screen->turn_off(); });
    CHECK(viewer.until([&] { return viewer.width() == 320 && viewer.pixel(100, 100) == 0; }));
    rig.on([&] { REQUIRE(rig.screen->resize({.width = 640, .height = 480})); });
    CHECK(viewer.until([&] { return viewer.width() == 640; }));
}

TEST_CASE("vnc: several viewers see the same, and one that does not read is in nobody's way") {
    VncRig rig;
    const Helper helper(rig.settings.helper);
    REQUIRE(rig.serve());
    Pattern picture(Size{.width = 1024, .height = 768});
    rig.show(picture);
    const auto silent = connect_to(rig.settings.address); // not even its version
    VncViewer deaf(rig.settings.address, {.encodings = "raw"});
    VncViewer viewer(rig.settings.address);
    REQUIRE(deaf.is_connected());
    REQUIRE(viewer.is_connected());
    REQUIRE(rig.has_viewers(3));
    // It asks for everything, and reads nothing.
    for (int i = 0; i < 50; ++i) {
        REQUIRE(SendFramebufferUpdateRequest(deaf.client(), 0, 0, 1024, 768, FALSE) != FALSE);
    }
    for (std::uint32_t seed = 1; seed <= 20; ++seed) {
        rig.on([&] {
            picture.seed = seed;
            static_cast<void>(rig.screen->present(Rect::of(picture.shown)));
        });
    }
    CHECK(viewer.until([&] { return shows(viewer, picture); }));
    CHECK(deaf.until([&] { return shows(deaf, picture); }));
}

TEST_CASE("vnc: a seventeenth viewer is sent away") {
    VncRig rig;
    const Helper helper(rig.settings.helper);
    REQUIRE(rig.serve());
    std::vector<UniqueFd> others;
    for (int i = 0; i < 16; ++i) {
        others.push_back(connect_to(rig.settings.address));
    }
    REQUIRE(rig.has_viewers(16));
    CHECK_FALSE(VncViewer(rig.settings.address).is_connected());
    others.pop_back();
    REQUIRE(rig.has_viewers(15));
    CHECK(VncViewer(rig.settings.address).is_connected());
}

TEST_CASE("vnc: a password") {
    VncRig rig({.password = "secret12"});
    const Helper helper(rig.settings.helper);
    REQUIRE(rig.serve());
    CHECK_FALSE(VncViewer(rig.settings.address, {.password = "secret13"}).is_connected());
    CHECK_FALSE(VncViewer(rig.settings.address, {.password = "s"}).is_connected());
    CHECK(VncViewer(rig.settings.address, {.password = "secret12"}).is_connected());
}

TEST_CASE("vnc: an address of this machine") {
    const int port = bind_loopback().port;
    VncRig rig({.address = "127.0.0.1:" + std::to_string(port)});
    const Helper helper(rig.settings.helper);
    REQUIRE(rig.serve());
    Pattern picture(size);
    rig.show(picture);
    std::unique_ptr<VncViewer> viewer;
    REQUIRE(kit::eventually(
        [&] {
            viewer = std::make_unique<VncViewer>("127.0.0.1", VncViewer::Options{.port = port});
            return viewer->is_connected();
        },
        std::chrono::seconds(20)));
    CHECK(viewer->until([&] { return shows(*viewer, picture); }));
}

TEST_CASE("vnc: why nobody can look is said, once") {
    const kit::CapturedLog log;
    const auto is_said = [&](std::string_view text) {
        return kit::eventually([&] { return log.text().contains(text); }, std::chrono::seconds(20));
    };
    SECTION("there is no hvisor-vnc") {
        VncRig rig;
        REQUIRE(rig.serve());
        CHECK(is_said("zone linux2: gpu-a003400: nobody can look at " + rig.settings.address + ": "));
        CHECK(is_said("No such file or directory; is hvisor-vnc installed, and hvisor-vnc.socket active?"));
        // And when it comes, all is well.
        const Helper helper(rig.settings.helper);
        CHECK(kit::eventually([&] { return VncViewer(rig.settings.address).is_connected(); },
                              std::chrono::seconds(30)));
        CHECK(log.lines() == 1);
    }
    SECTION("the address is another program's") {
        const auto other = bind_loopback();
        REQUIRE(::listen(other.socket.get(), 1) == 0);
        VncRig rig({.address = "127.0.0.1:" + std::to_string(other.port)});
        const Helper helper(rig.settings.helper);
        REQUIRE(rig.serve());
        CHECK(is_said(rig.settings.address + ": cannot listen there: Address already in use"));
    }
    SECTION("the keyboard layout is not there") {
        VncRig rig({.keymap = "nowhere"});
        const Helper helper(rig.settings.helper);
        REQUIRE(rig.serve());
        CHECK(is_said("the keyboard layout \"nowhere\" cannot be read"));
    }
}

TEST_CASE("vnc: the folder of sockets is made, and one that is there keeps its mode") {
    const auto serve = [](VncRig& rig, std::string_view name) {
        rig.settings.address = rig.directory.path() / "vnc" / name;
        REQUIRE(rig.serve());
        return std::filesystem::status(rig.directory.path() / "vnc").permissions();
    };
    VncRig made;
    CHECK(serve(made, "linux2") == std::filesystem::perms{0755});
    VncRig there;
    std::filesystem::create_directory(there.directory.path() / "vnc");
    constexpr auto with_group = std::filesystem::perms{02755};
    std::filesystem::permissions(there.directory.path() / "vnc", with_group);
    CHECK(serve(there, "linux2") == with_group);
}

TEST_CASE("vnc: a socket that cannot be made is an error at once") {
    VncRig rig({.address = "/nowhere/at/all"});
    CHECK_FALSE(rig.serve());
}

TEST_CASE("vnc: when hvisor-vnc ends, the next viewer gets another one") {
    const kit::CapturedLog log;
    VncRig rig;
    Helper helper(rig.settings.helper);
    REQUIRE(rig.serve());
    Pattern picture(size);
    rig.show(picture);
    VncViewer viewer(rig.settings.address);
    REQUIRE(viewer.until([&] { return shows(viewer, picture); }));
    helper.kill();
    CHECK(viewer.until_gone());
    CHECK(rig.has_viewers(0));
    helper.start();
    VncViewer next(rig.settings.address); // waits: the socket is still hvisord's
    REQUIRE(next.is_connected());
    CHECK(next.until([&] { return shows(next, picture); }));
    CHECK(log.text().contains("hvisor-vnc has ended; it is asked again"));
}

TEST_CASE("vnc: a helper's socket takes connections from when it can be seen") {
    const zone::test::TemporaryDirectory directory;
    Helper helper(directory.path() / "vnc-server");
    for (int i = 0; i < 50; ++i) {
        static_cast<void>(connect_to(directory.path() / "vnc-server", SOCK_SEQPACKET));
        helper.kill();
        helper.start();
    }
}

TEST_CASE("vnc: what is shown goes with the screen") {
    VncRig rig;
    const Helper helper(rig.settings.helper);
    REQUIRE(rig.serve());
    VncViewer viewer(rig.settings.address);
    REQUIRE(viewer.is_connected());
    CHECK(std::filesystem::exists(rig.settings.address));
    rig.on([&] { rig.screen->close(); });
    CHECK(viewer.until_gone());
    CHECK(rig.screen->viewers() == 0);
    CHECK_FALSE(std::filesystem::exists(rig.settings.address));
}
