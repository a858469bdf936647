// SPDX-License-Identifier: Apache-2.0
// What is kept of a driver's commands, however full it is and whenever the process ends.
#include "base/state_memory.hpp"
#include "devices/gpu/journal.hpp"
#include "guest/guest_span.hpp"
#include "kit/wait.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <csignal>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

namespace gpu_journal_test {

using namespace hvisor;
using namespace hvisor::devices::gpu;

namespace {

/// Of what the scripts below have at most it is so full that there is no room for long.
constexpr std::size_t capacity = 10240;
constexpr std::uint64_t newest = UINT64_MAX >> 16;

using Bytes = std::vector<std::byte>;

struct KeptMemory {
    StateMemory memory = *StateMemory::create("journal", std::size_t{8} << 20);
    JournalState& state = *reinterpret_cast<JournalState*>(memory.bytes().data());
    /// For the next process to say that it has begun.
    std::byte& flag = memory.bytes().back();
};

template <class... Parts>
Bytes bytes_of(const Parts&... parts) {
    Bytes bytes;
    const auto append = [&](std::span<const std::byte> more) {
        bytes.insert(bytes.end(), more.begin(), more.end());
    };
    (append(std::as_bytes(std::span(&parts, 1))), ...);
    return bytes;
}

template <class Body>
Body front(std::span<const std::byte> bytes) {
    Body body;
    REQUIRE(bytes.size() >= sizeof body);
    std::memcpy(&body, bytes.data(), sizeof body);
    return body;
}

/// What commands lead to, as far as a journal is about it.
struct DriverWorld {
    struct Resource {
        bool is_blob = false;
        std::optional<Bytes> backing;
        std::optional<std::uint8_t> uuid;
        bool operator==(const Resource&) const = default;
    };
    std::map<std::uint32_t, Resource> resources;
    std::array<std::optional<std::pair<std::uint32_t, std::uint32_t>>, 3> shown; ///< which, and its column
    bool operator==(const DriverWorld&) const = default;

    void hide(std::uint32_t id) {
        for (auto& one : shown) {
            if (one && one->first == id) {
                one.reset();
            }
        }
    }
    /// False when such a command is refused.
    bool apply(Command type, std::span<const std::byte> body) {
        const auto id = type == Command::set_scanout ? front<SetScanout>(body).resource_id
                                                     : front<ResourceOnly>(body).resource_id;
        const bool is_there = resources.contains(id);
        if (type == Command::set_scanout) {
            const auto command = front<SetScanout>(body);
            auto& place = shown.at(command.scanout_id);
            if (id != 0 && (!is_there || (resources[id].is_blob && !resources[id].backing))) {
                return false;
            }
            place = id == 0 ? std::nullopt : std::optional(std::pair(id, command.r.x));
            return true;
        }
        if (type == Command::resource_create_2d || type == Command::resource_create_blob) {
            const bool is_blob = type == Command::resource_create_blob;
            const auto entries = is_blob ? body.subspan(sizeof(ResourceCreateBlob)) : body.first(0);
            return resources
                .try_emplace(
                    id, Resource{.is_blob = is_blob,
                                 .backing = is_blob ? std::optional(Bytes(entries.begin(), entries.end()))
                                                    : std::nullopt,
                                 .uuid = {}})
                .second;
        }
        if (!is_there) {
            return false;
        }
        auto& resource = resources[id];
        switch (type) {
        case Command::resource_attach_backing: {
            const auto entries = body.subspan(sizeof(AttachBacking));
            return !std::exchange(resource.backing, Bytes(entries.begin(), entries.end()));
        }
        case Command::resource_detach_backing:
            if (resource.is_blob) {
                hide(id);
            }
            return std::exchange(resource.backing, std::nullopt).has_value();
        case Command::resource_assign_uuid:
            resource.uuid = front<AssignedUuid>(body).answer.uuid.front();
            return true;
        default:
            resources.erase(id);
            hide(id);
            return true;
        }
    }
};

/// The same commands each time, all of which are accepted.
class Script {
  public:
    struct One {
        Command type{};
        Bytes body;
    };

    One next() {
        for (;;) {
            auto one = any();
            auto tried = world_;
            if (tried.apply(one.type, one.body)) {
                world_ = std::move(tried);
                ++done_;
                return one;
            }
        }
    }
    Script& skip_to(std::uint64_t done) {
        while (done_ < done) {
            static_cast<void>(next());
        }
        return *this;
    }
    [[nodiscard]] const DriverWorld& world() const { return world_; }
    [[nodiscard]] std::uint64_t done() const { return done_; }

  private:
    Bytes with_entries(Bytes bytes, std::uint32_t count) {
        for (; count > 0; --count) {
            const auto entry = bytes_of(MemoryEntry{.addr = random_(), .length = 4096, .padding = 0});
            bytes.insert(bytes.end(), entry.begin(), entry.end());
        }
        return bytes;
    }
    One any() {
        const auto id = static_cast<std::uint32_t>(1 + random_() % 6);
        const auto count = static_cast<std::uint32_t>(1 + random_() % 30);
        const auto column = static_cast<std::uint32_t>(random_() % 100);
        switch (random_() % 10) {
        case 0:
            return {Command::resource_create_2d,
                    bytes_of(ResourceCreate2d{.resource_id = id, .format = 1, .width = 4, .height = 4})};
        case 1:
            return {Command::resource_create_blob,
                    with_entries(bytes_of(ResourceCreateBlob{.resource_id = id,
                                                             .blob_mem = 1,
                                                             .blob_flags = 0,
                                                             .nr_entries = count,
                                                             .blob_id = 0,
                                                             .size = 4096}),
                                 count)};
        case 2:
            return {Command::resource_attach_backing,
                    with_entries(bytes_of(AttachBacking{.resource_id = id, .nr_entries = count}), count)};
        case 3:
            return {Command::resource_detach_backing,
                    bytes_of(ResourceOnly{.resource_id = id, .padding = 0})};
        case 4:
            return {Command::resource_unref, bytes_of(ResourceOnly{.resource_id = id, .padding = 0})};
        case 5:
            return {Command::resource_assign_uuid,
                    bytes_of(AssignedUuid{.command = {.resource_id = id, .padding = 0},
                                          .answer = {.uuid = {static_cast<std::uint8_t>(column)}}})};
        default:
            return {Command::set_scanout,
                    bytes_of(SetScanout{.r = {.x = column, .y = 0, .width = 1, .height = 1},
                                        .scanout_id = count % 3,
                                        .resource_id = random_() % 4 == 0 ? 0 : id})};
        }
    }

    std::mt19937 random_{1};
    DriverWorld world_;
    std::uint64_t done_ = 0;
};

bool put(Journal& journal, std::uint64_t order, Command type, Bytes body) {
    const guest::GuestSpan span(body.data(), body.size());
    const auto kept = journal.put(type, order, virtio::Reader(std::span(&span, 1)));
    if (kept && type == Command::resource_assign_uuid) {
        std::ranges::copy(body, kept->begin());
    }
    journal.commit();
    return kept.has_value();
}

DriverWorld world_of(const Journal& journal) {
    DriverWorld world;
    for (const auto& record : journal.records()) {
        REQUIRE(world.apply(record.type, record.body));
    }
    return world;
}

/// Another process.
DriverWorld world_after(JournalState& state) {
    Journal journal(state, capacity);
    REQUIRE(journal.resume(newest));
    return world_of(journal);
}

/// The one that counts.
JournalArea& area_of(JournalState& state) {
    return state.areas.at(state.end.get() & JournalState::area_bit);
}

const Bytes shown_once = bytes_of(SetScanout{.r = {}, .scanout_id = 0, .resource_id = 1});
Bytes create(std::uint32_t id) {
    return bytes_of(ResourceCreate2d{.resource_id = id, .format = 1, .width = 4, .height = 4});
}

} // namespace

TEST_CASE("gpu journal: after any command another process is where the first one is") {
    KeptMemory kept;
    Journal journal(kept.state, capacity);
    journal.clear();
    Script script;
    for (unsigned n = 1; n <= 3000; ++n) {
        const auto [type, body] = script.next();
        REQUIRE(put(journal, n, type, body));
        REQUIRE(journal.done() == n);
        if (n % 7 == 0) {
            // It leaves what is of use in the other area: this one looks at it anew.
            REQUIRE(world_after(kept.state) == script.world());
            REQUIRE(journal.resume(newest));
            REQUIRE(journal.done() == n);
        }
    }
    journal.clear();
    CHECK(world_after(kept.state) == DriverWorld{});
}

TEST_CASE("gpu journal: a process that is killed at any moment has committed a command, or it has not") {
    constexpr unsigned kills = 40;
    KeptMemory kept;
    std::mt19937 random(7);
    std::uint64_t done = 0;
    for (unsigned round = 0; round < kills; ++round) {
        const auto child = ::fork();
        REQUIRE(child >= 0);
        if (child == 0) {
            Journal journal(kept.state, capacity);
            if (!journal.resume(newest)) {
                ::_exit(2);
            }
            Script script;
            script.skip_to(journal.done());
            kept.flag = std::byte{1};
            for (;;) {
                const auto [type, body] = script.next();
                if (!put(journal, script.done(), type, body)) {
                    ::_exit(3);
                }
            }
        }
        REQUIRE(kit::eventually(
            [&] {
                std::atomic_signal_fence(std::memory_order_seq_cst);
                return std::exchange(kept.flag, std::byte{0}) == std::byte{1};
            },
            std::chrono::seconds(60)));
        std::this_thread::sleep_for(std::chrono::microseconds(random() % 4000));
        ::kill(child, SIGKILL);
        int status = 0;
        REQUIRE(::waitpid(child, &status, 0) == child);
        REQUIRE(WIFSIGNALED(status));
        Journal journal(kept.state, capacity);
        REQUIRE(journal.resume(newest));
        REQUIRE(journal.done() >= done);
        done = journal.done();
        Script script;
        REQUIRE(world_of(journal) == script.skip_to(done).world());
        if (done > 500) {
            // The next one would take longer to find where it is than to go on.
            journal.clear();
            done = 0;
        }
    }
}

TEST_CASE("gpu journal: a driver that has more than fits has nothing that another process can go on with") {
    KeptMemory kept;
    Journal journal(kept.state, 1024);
    journal.clear();
    unsigned count = 0;
    while (count < 100 && put(journal, count + 1, Command::resource_create_2d, create(count + 1))) {
        ++count;
    }
    CHECK(count > 15);
    CHECK(count < 30);
    CHECK(journal.is_lost());
    CHECK_FALSE(
        put(journal, 200, Command::resource_unref, bytes_of(ResourceOnly{.resource_id = 1, .padding = 0})));
    Journal next(kept.state, 1024);
    CHECK_FALSE(next.resume(newest));
    next.clear();
    CHECK_FALSE(next.is_lost());
    CHECK(put(next, 201, Command::resource_create_2d, create(1)));
}

TEST_CASE("gpu journal: one entry too many is refused as it is sent, and none is read that is not there") {
    KeptMemory kept;
    Journal journal(kept.state, capacity);
    journal.clear();
    auto body = bytes_of(AttachBacking{.resource_id = 1, .nr_entries = UINT32_MAX},
                         MemoryEntry{.addr = 4096, .length = 1, .padding = 0});
    guest::GuestSpan span(body.data(), body.size());
    auto copy = journal.put(Command::resource_attach_backing, 1, virtio::Reader(std::span(&span, 1)));
    REQUIRE(copy);
    CHECK(std::ranges::equal(*copy, body));
    // One that is shorter than its structure, and one with more behind it.
    span = guest::GuestSpan(body.data(), 4);
    copy = journal.put(Command::resource_attach_backing, 1, virtio::Reader(std::span(&span, 1)));
    REQUIRE(copy);
    CHECK(copy->size() == 4);
    auto long_one = shown_once;
    long_one.resize(4000);
    span = guest::GuestSpan(long_one.data(), long_one.size());
    copy = journal.put(Command::set_scanout, 1, virtio::Reader(std::span(&span, 1)));
    REQUIRE(copy);
    CHECK(copy->size() == sizeof(SetScanout));
    // None of them was carried out.
    CHECK(world_after(kept.state) == DriverWorld{});
}

TEST_CASE("gpu journal: what makes no sense is refused, whatever it is") {
    const auto refuses = [](auto spoil) {
        KeptMemory kept;
        Journal journal(kept.state, capacity);
        journal.clear();
        REQUIRE(put(journal, 1, Command::resource_create_2d, create(1)));
        REQUIRE(put(journal, 2, Command::set_scanout, shown_once));
        spoil(kept.state, journal);
        return !Journal(kept.state, capacity).resume(100);
    };
    CHECK_FALSE(refuses([](JournalState&, Journal&) {}));
    CHECK(refuses([](JournalState& state, Journal&) { state.is_lost.set(1); }));
    CHECK(refuses([](JournalState& state, Journal&) { state.end.set(UINT64_MAX); }));
    CHECK(refuses([](JournalState& state, Journal&) { state.end.set(capacity + 8); }));
    CHECK(refuses([](JournalState& state, Journal&) { state.end.set(state.end.get() + 8); }));
    CHECK(refuses([](JournalState& state, Journal&) { state.end.set(state.end.get() - 2); }));
    CHECK(refuses([](JournalState& state, Journal&) { area_of(state).done = 101; }));
    CHECK(refuses([](JournalState& state, Journal&) { area_of(state).records[0] = std::byte{0}; }));
    CHECK(refuses([](JournalState& state, Journal&) { area_of(state).records[3] = std::byte{0xff}; }));
    CHECK(refuses([](JournalState& state, Journal&) { area_of(state).records[4] = std::byte{0}; }));
    CHECK(refuses([](JournalState& state, Journal&) { area_of(state).records[15] = std::byte{1}; }));
    CHECK(refuses([](JournalState& state, Journal&) { area_of(state).records[18] = std::byte{1}; }));
    const auto also = [&](Command type, const Bytes& body) {
        return refuses([&](JournalState&, Journal& journal) { REQUIRE(put(journal, 3, type, body)); });
    };
    CHECK(also(Command::resource_create_2d, create(1)));
    CHECK(also(Command::resource_create_2d, Bytes(8)));
    CHECK(also(Command::resource_unref, bytes_of(ResourceOnly{.resource_id = 2, .padding = 0})));
    CHECK(also(Command::set_scanout, bytes_of(SetScanout{.r = {}, .scanout_id = 16, .resource_id = 1})));
    CHECK(also(Command::set_scanout, bytes_of(SetScanout{.r = {}, .scanout_id = 0, .resource_id = 2})));
    CHECK(also(Command::set_scanout_blob, Bytes(10)));
}

} // namespace gpu_journal_test
