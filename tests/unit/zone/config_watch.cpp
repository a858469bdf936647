// SPDX-License-Identifier: Apache-2.0
#include "zone/config_watch.hpp"

#include "temporary_directory.hpp"

#include <catch2/catch_test_macros.hpp>

#include <cstdio>
#include <filesystem>
#include <poll.h>
#include <string>

namespace config_watch_test {

using hvisor::zone::ConfigWatch;
using hvisor::zone::test::TemporaryDirectory;

namespace {

namespace fs = std::filesystem;

/// Two directories that are not there yet, in a folder that is.
struct Watched {
    TemporaryDirectory root;
    fs::path etc = root.path() / "etc/hvisor/zones";
    fs::path run = root.path() / "run/hvisor/zones";
    ConfigWatch watch{{etc, run}};

    [[nodiscard]] bool is_readable() const {
        pollfd poll{.fd = watch.fd(), .events = POLLIN, .revents = 0};
        return ::poll(&poll, 1, 0) == 1;
    }

    /// Write a file, and whether that is told.
    bool tells_of(const std::string& name, const std::string& text = "{}") {
        root.write(name, text);
        return tells();
    }

    /// Whether what has just been done is told, and told once.
    bool tells() {
        const bool told = is_readable() && watch.renew();
        // To take a watch away is an event of its own.
        if (is_readable()) {
            CHECK_FALSE(watch.renew());
        }
        CHECK_FALSE(is_readable());
        return told;
    }
};

} // namespace

TEST_CASE("directories of zones are waited for, and then their files") {
    Watched zones;
    CHECK_FALSE(zones.is_readable());
    CHECK_FALSE(zones.tells_of("other.json")); // a neighbour of what is waited for
    fs::create_directory(zones.root.path() / "etc");
    CHECK(zones.tells());
    // What comes in one go is not missed between two looks.
    fs::create_directories(zones.etc);
    CHECK(zones.tells());
    CHECK(zones.tells_of("etc/hvisor/zones/a.json"));
    CHECK(zones.tells_of("run/hvisor/zones/b.json"));
    CHECK(zones.tells_of("run/hvisor/zones/b.json", "{ }"));
    fs::remove(zones.run / "b.json");
    CHECK(zones.tells());

    // Gone, and back.
    fs::remove_all(zones.root.path() / "etc");
    CHECK(zones.tells());
    CHECK(zones.tells_of("etc/hvisor/zones/a.json"));
    CHECK(zones.tells_of("etc/hvisor/zones/c.json"));
    // Another folder in its place.
    fs::rename(zones.etc, zones.root.path() / "old");
    CHECK(zones.tells());
    fs::create_directory(zones.etc);
    CHECK(zones.tells());
    CHECK(zones.tells_of("etc/hvisor/zones/d.json"));
}

TEST_CASE("drop-ins and files behind links are watched") {
    Watched zones;
    zones.root.write("srv/far.json", "{}");
    fs::create_directories(zones.etc);
    fs::create_symlink(zones.root.path() / "srv/far.json", zones.etc / "far.json");
    CHECK(zones.tells());
    CHECK(zones.tells_of("srv/far.json", "{ }"));
    // As editors save: another file under the same name.
    zones.root.write("srv/new.json", "{  }");
    fs::rename(zones.root.path() / "srv/new.json", zones.root.path() / "srv/far.json");
    CHECK(zones.tells());
    CHECK(zones.tells_of("srv/far.json", "{   }"));

    CHECK(zones.tells_of("etc/hvisor/zones/far.json.d/10-cpus.json"));
    CHECK(zones.tells_of("etc/hvisor/zones/far.json.d/10-cpus.json", "{ }"));
    fs::remove_all(zones.etc / "far.json.d");
    CHECK(zones.tells());
}

} // namespace config_watch_test
