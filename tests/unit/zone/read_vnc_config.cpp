// SPDX-License-Identifier: Apache-2.0
#include "zone/file_references.hpp"
#include "zone/vnc_password.hpp"
#include "zone/write_zone_file.hpp"
#include "zone/zone_claims.hpp"

#include "base/unique_fd.hpp"
#include "reading.hpp"
#include "temporary_directory.hpp"
#include "zone_text.hpp"

#include <catch2/catch_test_macros.hpp>

#include <fcntl.h>
#include <format>
#include <string>
#include <string_view>
#include <sys/stat.h>

namespace read_vnc_config_test {

using namespace hvisor;
using namespace hvisor::zone;
using test::changed;
using test::good_one_file;
using test::read_zone;
using test::refusal;

namespace {

/// A zone in one file whose first device has these keys beside a headless screen's.
std::string vnc_file(std::string_view keys) {
    return changed(good_one_file, R"("console",)", std::format(R"("gpu", "backend": "headless", {},)", keys));
}

VncConfig read_vnc(std::string_view value) {
    const ZoneFile zone = read_zone(vnc_file(std::format(R"("vnc": {})", value)));
    REQUIRE(zone.devices.at(0).gpu.displays.at(0).vnc);
    return *zone.devices[0].gpu.displays[0].vnc;
}

std::string vnc_refusal(std::string_view keys) {
    const std::string said = refusal(vnc_file(keys));
    return said.substr(said.find("/devices/0") + 10);
}

Result<std::string> password_in(std::string_view text, mode_t mode = 0600) {
    const test::TemporaryDirectory directory;
    directory.write("password", text);
    const auto path = directory.path() / "password";
    REQUIRE(::chmod(path.c_str(), mode) == 0);
    const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    return read_vnc_password(file.get(), "password");
}

} // namespace

TEST_CASE("vnc: a screen that can be looked at needs no more than the key") {
    const auto usual = read_vnc("{}");
    CHECK(usual.listen.empty());
    CHECK(usual.password_file.empty());
    CHECK(usual.keymap == "us");
    CHECK_FALSE(read_zone(vnc_file(R"("refresh": 60)")).devices.at(0).gpu.displays.at(0).vnc);
}

TEST_CASE("vnc: an address, a password and a keyboard") {
    const auto all = read_vnc(
        R"x({ "listen": "0.0.0.0:5901", "password_file": "/etc/hvisor/vnc", "keymap": "de(nodeadkeys)" })x");
    CHECK(all.listen == "0.0.0.0:5901");
    CHECK(all.password_file == "/etc/hvisor/vnc");
    CHECK(all.keymap == "de(nodeadkeys)");
    CHECK(read_vnc(R"({ "listen": "[::1]:5900" })").listen == "[::1]:5900");
    CHECK(read_vnc(R"({ "listen": "/run/screen" })").listen == "/run/screen");
}

TEST_CASE("vnc: each of several displays can have it") {
    const auto displays =
        read_zone(vnc_file(R"("displays": [ { "vnc": {} }, {}, { "vnc": { "listen": "127.0.0.1:1" } } ])"))
            .devices.at(0)
            .gpu.displays;
    CHECK(displays.at(0).vnc);
    CHECK_FALSE(displays.at(1).vnc);
    CHECK(displays.at(2).vnc->listen == "127.0.0.1:1");
}

TEST_CASE("vnc: what is wrong is said in one sentence") {
    CHECK(vnc_refusal(R"("vnc": true)") == "/vnc: expected an object with listen, password_file and keymap, "
                                           "all of which may be missing, found true or false");
    CHECK(
        vnc_refusal(R"("vnc": { "listen": "localhost:5900" })") ==
        R"(/vnc/listen: "localhost:5900" is nothing to listen at; expected an address such as "127.0.0.1:5900" )"
        R"(or "[::1]:5900", or the path of a socket such as "/run/hvisor/vnc/linux2")");
    CHECK(vnc_refusal(R"("vnc": { "listen": "192.168.1.2:5900" })") ==
          "/vnc/listen: everybody who can reach 192.168.1.2:5900 could use the zone's screen; expected "
          "password_file beside it, or an address of this machine alone");
    CHECK(vnc_refusal(R"("vnc": { "password_file": "" })") ==
          "/vnc/password_file: this names no file; expected the path of one with a password");
    CHECK(vnc_refusal(R"x("vnc": { "keymap": "de(" })x") ==
          R"x(/vnc/keymap: "de(" names no keyboard layout; expected one such as "us" or "de(nodeadkeys)")x");
    CHECK(vnc_refusal(R"("vnc": { "keymap": "../../etc" })").contains("names no keyboard layout"));
    CHECK(vnc_refusal(R"("vnc": {}, "displays": [ {} ])") ==
          "/vnc: there are both vnc and displays; expected vnc in each of displays, or no displays");
    CHECK(vnc_refusal(
              R"("displays": [ { "vnc": { "listen": "/run/a" } }, { "vnc": { "listen": "/run/a" } } ])") ==
          "/displays/1: /run/a is the address of another display of this device, too");
    CHECK(refusal(changed(good_one_file, R"("console",)", R"("gpu", "vnc": {},)"))
              .ends_with(
                  "/vnc: a display of a graphics card is seen there; expected the backend \"headless\" with "
                  "this key"));
    CHECK(vnc_refusal(R"("vnc": { "lisen": "/run/a" })").contains("lisen"));
}

TEST_CASE("vnc: is written as it was read") {
    const std::string_view value = R"({ "listen": "/run/a", "password_file": "secret", "keymap": "fr" })";
    const ZoneFile zone = read_zone(vnc_file(std::format(R"("vnc": {})", value)));
    const auto again = read_zone(write_zone_file(zone, zone.devices)).devices.at(0).gpu.displays.at(0).vnc;
    REQUIRE(again);
    CHECK(again->listen == "/run/a");
    CHECK(again->password_file == "secret");
    CHECK(again->keymap == "fr");
}

TEST_CASE("vnc: the password's file is one of the zone's files") {
    const std::string text = vnc_file(R"("vnc": { "password_file": "secret" })");
    const auto files = referenced_files({.name = "linux2.json", .text = text});
    REQUIRE(files);
    const auto secret = std::ranges::find(*files, "secret", &FileReference::path);
    REQUIRE(secret != files->end());
    CHECK_FALSE(secret->writable);
    CHECK(secret->pointer == "/devices/0/vnc/password_file");
}

TEST_CASE("vnc: no two zones are looked at by one address") {
    const ZoneFile zone = read_zone(vnc_file(R"("vnc": { "listen": "127.0.0.1:5900" })"));
    CHECK(claims_of(zone.config, zone.devices, "").remote_addresses ==
          std::vector<std::string>{"127.0.0.1:5900"});
    ZoneClaims other;
    other.zone = "linux3";
    other.remote_addresses = {"127.0.0.1:5900"};
    Problems problems(zone.document);
    check_device_claims(zone.devices, "", other, problems);
    const auto result = problems.result();
    REQUIRE_FALSE(result);
    CHECK(result.error().message.ends_with("/devices/0/vnc/listen: zone linux3 can be looked at by "
                                           "127.0.0.1:5900; expected an address that no zone "
                                           "uses"));
}

TEST_CASE("vnc: a password is the first line of a file that not everybody can read") {
    CHECK(password_in("secret\n") == "secret");
    CHECK(password_in("12345678") == "12345678");
    CHECK(password_in("one two\nthree") == "one two");
    CHECK(password_in("123456789\n").error().message ==
          "password: the first line has 9 characters; expected a password of 1 to 8, which is all that VNC "
          "looks at");
    CHECK(password_in("\nsecret").error().message.contains("the first line has 0 characters"));
    CHECK(password_in("secret", 0604).error().message ==
          "password: everybody can read this password: chmod o-r password");
}

} // namespace read_vnc_config_test
