// SPDX-License-Identifier: Apache-2.0
// The files by which a display shows its picture while there is no daemon.
#include "zone/kept_display.hpp"
#include "base/fd_store.hpp"
#include "zone/kept_files.hpp"

#include <catch2/catch_test_macros.hpp>
#include <fcntl.h>
#include <map>
#include <string>
#include <sys/mman.h>
#include <utility>
#include <vector>

namespace kept_display_test {

using namespace hvisor::zone;
using hvisor::FdStore;
using hvisor::UniqueFd;

namespace {

/// Who keeps files, as systemd does.
class Store {
  public:
    FdStore::Carrier carrier() {
        return {.keep = [this](const std::string& name,
                               int fd) { files_.emplace(name, UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, 0))); },
                .drop = [this](const std::string& name) { files_.erase(name); },
                .settle = [this] { ++settled_; }};
    }
    [[nodiscard]] int settled() const { return settled_; }
    /// What the next process gets.
    [[nodiscard]] std::multimap<std::string, UniqueFd> left() const {
        std::multimap<std::string, UniqueFd> left;
        for (const auto& [name, file] : files_) {
            left.emplace(name, UniqueFd(::fcntl(file.get(), F_DUPFD_CLOEXEC, 0)));
        }
        return left;
    }
    [[nodiscard]] std::vector<std::string> names() const {
        std::vector<std::string> names;
        for (const auto& [name, file] : files_) {
            names.push_back(name);
        }
        return names;
    }

  private:
    std::multimap<std::string, UniqueFd> files_;
    int settled_ = 0;
};

/// A file that can be told from others: by its size.
UniqueFd file(int size) {
    UniqueFd made(::memfd_create("kept_display", MFD_CLOEXEC));
    REQUIRE(::ftruncate(made.get(), size) == 0);
    return made;
}
auto size_of(const UniqueFd& file) {
    return ::lseek(file.get(), 0, SEEK_END);
}

using Names = std::vector<std::string>;

} // namespace

TEST_CASE("kept display: the next process has the files of each, until nothing is lent") {
    Store store;
    FdStore first(store.carrier(), {});
    KeptFiles files(first, "");
    const auto key = files.key();
    const auto keeper = keep_display(files, 0);
    const auto other = keep_display(files, 1);
    const auto card = file(1);
    const auto lease = file(2);
    const auto other_lease = file(3);
    keeper.keep({.card = "card0", .connector = "HDMI-A-1", .master = card.get(), .lease = lease.get()});
    other.keep({.card = "card0", .connector = "DP-2", .master = card.get(), .lease = other_lease.get()});
    CHECK(store.names() == Names{key + ".card.0", key + ".card.1", key + ".lease.0.card0.HDMI-A-1",
                                 key + ".lease.1.card0.DP-2"});

    FdStore second(store.carrier(), store.left());
    KeptFiles next(second, key);
    const auto inherited = take_display(next, 1);
    REQUIRE(inherited);
    CHECK(inherited->card == "card0");
    CHECK(inherited->connector == "DP-2");
    CHECK(size_of(inherited->master) == 1);
    CHECK(size_of(inherited->lease) == 3);
    CHECK_FALSE(take_display(next, 1));

    // Another lease takes the place of the one of the process before.
    const auto again = keep_display(next, 1);
    again.keep({.card = "card0", .connector = "DP-3", .master = card.get(), .lease = lease.get()});
    CHECK(store.names() == Names{key + ".card.0", key + ".card.1", key + ".lease.0.card0.HDMI-A-1",
                                 key + ".lease.1.card0.DP-3"});
    CHECK(store.settled() == 0);
    again.drop();
    CHECK(store.names() == Names{key + ".card.0", key + ".lease.0.card0.HDMI-A-1"});
    CHECK(store.settled() == 1);
    // Nothing to wait for.
    again.drop();
    CHECK(store.settled() == 1);
    keeper.drop();
    CHECK(store.settled() == 2);
    CHECK(store.names().empty());
}

TEST_CASE("kept display: a part of the files is of no use, and goes with the device") {
    Store store;
    FdStore first(store.carrier(), {});
    KeptFiles files(first, "");
    files.keep("card.0", file(1).get());
    FdStore second(store.carrier(), store.left());
    KeptFiles next(second, files.key());
    CHECK_FALSE(take_display(next, 0));
    next.forget();
    CHECK(store.names().empty());
    // A device that is gone keeps nothing any more.
    keep_display(next, 0).keep({.card = "card0", .connector = "DP-1", .master = 0, .lease = 0});
    CHECK(store.names().empty());
}

TEST_CASE("kept display: a name that says no connector is of no use") {
    Store store;
    FdStore first(store.carrier(), {});
    KeptFiles files(first, "");
    files.keep("card.0", file(1).get());
    files.keep("lease.0.card0", file(2).get());
    FdStore second(store.carrier(), store.left());
    KeptFiles next(second, files.key());
    CHECK_FALSE(take_display(next, 0));
}

} // namespace kept_display_test
