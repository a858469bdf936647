// SPDX-License-Identifier: Apache-2.0
#include "zone/config_watch.hpp"

#include "base/same_file.hpp"
#include "temporary_directory.hpp"

#include <catch2/catch_test_macros.hpp>

#include <cstdio>
#include <filesystem>
#include <map>
#include <poll.h>
#include <string>
#include <unistd.h>
#include <utility>

namespace config_watch_test {

using hvisor::FdStore;
using hvisor::zone::ConfigWatch;
using hvisor::zone::test::TemporaryDirectory;

namespace {

namespace fs = std::filesystem;

/// Two directories that are not there yet, in a folder that is.
struct Watched {
    TemporaryDirectory root;
    fs::path etc = root.path() / "etc/hvisor/zones";
    fs::path run = root.path() / "run/hvisor/zones";
    FdStore store;
    ConfigWatch watch{{etc, run}, store};

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

TEST_CASE("a watch that another process has left goes on, and the kernel's part of it is not closed") {
    const TemporaryDirectory root;
    hvisor::UniqueFd kept;
    const auto keep = [&kept](const std::string&, int fd) { kept.reset(::dup(fd)); };
    {
        FdStore store({.keep = keep, .drop = [](const std::string&) {}}, {});
        const ConfigWatch before{{root.path()}, store};
    }
    REQUIRE(kept);
    std::multimap<std::string, hvisor::UniqueFd> inherited;
    inherited.emplace("inotify", ::dup(kept.get()));
    FdStore store({.keep = [](const std::string&, int) { FAIL("it is kept already"); },
                   .drop = [](const std::string&) { FAIL("it is still wanted"); }},
                  std::move(inherited));
    ConfigWatch after{{root.path()}, store};
    store.drop_rest();
    CHECK(hvisor::is_same_file(after.fd(), kept.get()));
    root.write("a.json", "{}");
    CHECK(after.renew());
    CHECK_FALSE(after.renew());
}

} // namespace config_watch_test
