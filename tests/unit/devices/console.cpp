// SPDX-License-Identifier: Apache-2.0
#include "console_rig.hpp"

#include <cstddef>
#include <string_view>
#include <thread>
#include <utility>

namespace console_test {

using namespace hvisor;
using namespace hvisor::devices::console;
using namespace std::chrono_literals;
using kit::ChainBuilder;

TEST_CASE("a console says what it is") {
    const ConsoleRig rig;
    CHECK(rig.driver.get(virtio::Register::device_id) == 3);
    CHECK(rig.driver.config<std::uint16_t>(0) == 80);
    CHECK(rig.driver.config<std::uint16_t>(2) == 25);
    CHECK(rig.driver.offered() == (virtio::FeatureSet{f_size, f_emerg_write} | virtio::transport_features));
}

TEST_CASE("a driver without queues prints by emergency writes") {
    ConsoleRig rig;
    const auto config = std::to_underlying(virtio::Register::config);
    constexpr auto emerg_wr = offsetof(Config, emerg_wr);
    const auto reader = rig.watch();
    SECTION("after a reset") {
        rig.driver.reset();
    }
    SECTION("when the device has failed") {
        rig.device.require_reset("a test");
    }
    SECTION("while its queues run") {}
    const std::string_view text = "Kernel panic - not syncing\r\n";
    for (const char c : text) {
        // Only the low byte is the character.
        rig.driver.write(config + emerg_wr, 4, 0xabcdef00U | static_cast<unsigned char>(c));
    }
    rig.driver.write(config + emerg_wr, 1, '!');
    rig.driver.write(config + emerg_wr, 2, 0x5a2e);
    CHECK(read_exactly(reader.get(), text.size() + 2) == std::string(text) + "!.");
    CHECK(read_exactly(rig.watch().get(), text.size() + 2) == std::string(text) + "!.");
}

TEST_CASE("no other part of the configuration can be written") {
    ConsoleRig rig;
    const auto config = std::to_underlying(virtio::Register::config);
    rig.driver.write(config, 2, 1);
    rig.driver.write(config + offsetof(Config, emerg_wr) + 1, 1, 'x');
    rig.driver.write(config + offsetof(Config, emerg_wr) - 2, 4, 'x');
    rig.driver.write(config + sizeof(Config), 4, 'x');
    rig.settle();
    CHECK(rig.driver.config<std::uint16_t>(0) == 80);
    rig.print("only this");
    CHECK(read_for(rig.watch().get(), 100ms) == "only this");
}

TEST_CASE("a driver reads a new size, and is told of it") {
    ConsoleRig rig;
    using enum virtio::Register;
    const auto generation = rig.driver.get(config_generation);
    REQUIRE(rig.device.resize("", {.columns = 132, .rows = 43}));
    CHECK(rig.driver.config<std::uint16_t>(0) == 132);
    CHECK(rig.driver.config<std::uint16_t>(2) == 43);
    CHECK(rig.driver.get(config_generation) != generation);
    CHECK((rig.driver.acknowledge() & virtio::interrupt_config_change) != 0);
    // The same again is no change.
    const auto after = rig.driver.get(config_generation);
    REQUIRE(rig.device.resize("", {.columns = 132, .rows = 43}));
    CHECK(rig.driver.get(config_generation) == after);
    CHECK(rig.driver.acknowledge() == 0);
    // It is still so for the next driver.
    rig.driver.reset();
    CHECK(rig.driver.config<std::uint16_t>(0) == 132);
}

TEST_CASE("whoever attaches gets the history first, then what comes") {
    ConsoleRig rig;
    rig.print("boot log\r\n");
    const auto all = rig.attach();
    const auto last = rig.watch(5);
    const auto none = rig.watch(0);
    rig.print("login: ");
    CHECK(read_exactly(all.get(), 17) == "boot log\r\nlogin: ");
    CHECK(read_exactly(last.get(), 12) == "log\r\nlogin: ");
    CHECK(read_exactly(none.get(), 7) == "login: ");
}

TEST_CASE("the history keeps the last 64 KiB") {
    ConsoleRig rig;
    rig.print(std::string(History::capacity, 'a'));
    rig.print("the end");
    const auto text = read_exactly(rig.attach().get(), History::capacity);
    CHECK(text.size() == History::capacity);
    CHECK(text.ends_with("aaathe end"));
}

TEST_CASE("a chain longer than the history leaves its end") {
    ConsoleRig rig;
    const auto big = rig.ram.allocate(3 * History::capacity);
    rig.ram.write(big, std::vector(3 * History::capacity, std::byte{'x'}));
    rig.ram.write(big + 3 * History::capacity - 1, kit::to_bytes("!"));
    ChainBuilder(rig.transmit).at(big, 3 * History::capacity, 0).add();
    rig.driver.kick(transmit_queue);
    REQUIRE(kit::eventually([&] { return rig.transmit.take_used().has_value(); }));
    CHECK(read_exactly(rig.attach().get(), History::capacity).ends_with("x!"));
}

TEST_CASE("what is typed reaches the guest") {
    ConsoleRig rig;
    const auto fd = rig.attach();
    const auto buffer = rig.give_buffer();
    type(fd, "ls\n");
    CHECK(rig.receive_into(buffer) == "ls\n");
    CHECK(rig.port.wait_for_injections(1));
}

TEST_CASE("D11: what is typed waits until the guest has a buffer") {
    ConsoleRig rig;
    const auto fd = rig.attach();
    type(fd, "0123456789");
    rig.settle();
    // In pieces, when the buffers are small; nothing is lost.
    std::string received;
    while (received.size() < 10) {
        const auto buffer = rig.give_buffer(4);
        received += rig.receive_into(buffer);
    }
    CHECK(received == "0123456789");
}

TEST_CASE("what is typed before the guest is up, and across its reset, waits too") {
    ConsoleRig rig;
    const auto fd = rig.attach();
    rig.driver.reset();
    type(fd, "early");
    rig.settle();
    rig.receive.reset();
    rig.transmit.reset();
    rig.start();
    const auto buffer = rig.give_buffer();
    CHECK(rig.receive_into(buffer) == "early");
}

TEST_CASE("everything typed arrives with EVENT_IDX and few buffers") {
    ConsoleRig rig(kit::split_features);
    rig.receive = kit::SplitQueue(rig.ram, 2, true);
    rig.driver.reset();
    rig.transmit.reset();
    rig.start(kit::split_features);
    const auto fd = rig.attach();
    std::string sent;
    for (int i = 0; i < 3000; ++i) {
        sent += std::to_string(i) + "\n";
    }
    const std::jthread typist([&] { type(fd, sent); });
    std::string received;
    const auto deadline = std::chrono::steady_clock::now() + 10s;
    while (received.size() < sent.size() && std::chrono::steady_clock::now() < deadline) {
        const auto address = rig.ram.allocate(32);
        ChainBuilder(rig.receive).at(address, 32, kit::desc_write).add();
        if (rig.receive.needs_kick()) {
            rig.driver.kick(receive_queue);
        }
        std::optional<kit::SplitQueue::Used> used;
        REQUIRE(kit::eventually([&] { return (used = rig.receive.take_used()).has_value(); }));
        received += kit::to_text(rig.ram.read(address, used->length));
    }
    CHECK(received == sent);
}

TEST_CASE("who types and leaves at once is heard") {
    ConsoleRig rig;
    {
        const auto fd = rig.attach();
        type(fd, "bye");
    }
    rig.settle();
    const auto buffer = rig.give_buffer();
    CHECK(rig.receive_into(buffer) == "bye");
}

TEST_CASE("who ends the input still reads the output") {
    ConsoleRig rig;
    const auto fd = rig.attach();
    type(fd, "x");
    REQUIRE(::shutdown(fd.get(), SHUT_WR) == 0);
    CHECK(rig.receive_into(rig.give_buffer()) == "x");
    rig.print("still here");
    CHECK(read_exactly(fd.get(), 10) == "still here");
}

TEST_CASE("a read-only reader cannot type") {
    ConsoleRig rig;
    const auto fd = rig.watch();
    CHECK(::send(fd.get(), "x", 1, MSG_NOSIGNAL) == -1);
    rig.print("ok");
    CHECK(read_exactly(fd.get(), 2) == "ok");
}

TEST_CASE("a reader that does not read stops neither the guest nor the others, and is told what it missed") {
    ConsoleRig rig;
    const auto lazy = rig.attach();
    const auto eager = rig.watch();
    std::string got;
    std::string sent;
    // More than the socket's buffer and the history hold.
    for (int i = 0; i < 1200; ++i) {
        const auto line = std::string(4094, static_cast<char>('a' + i % 26)) + "\r\n";
        rig.print(line);
        sent += line;
        got += read_exactly(eager.get(), line.size());
    }
    CHECK(got == sent);
    const auto late = read_for(lazy.get(), 200ms);
    CHECK(late.size() < sent.size());
    CHECK(late.contains("bytes of output missed]"));
    CHECK(sent.ends_with(late.substr(late.size() - 1000)));
}

TEST_CASE("readers come and go while the guest prints") {
    ConsoleRig rig;
    for (int i = 0; i < 200; ++i) {
        const auto fd = rig.attach({.replay = 10});
        rig.print("some text\n");
        CHECK(read_exactly(fd.get(), 10).size() == 10);
    }
    // Those who left are gone: there is room for new ones.
    std::vector<UniqueFd> many;
    REQUIRE(kit::eventually([&] {
        auto fd = rig.device.attach("", {.read_only = true});
        if (fd) {
            many.push_back(std::move(*fd));
        }
        return many.size() == max_clients;
    }));
    CHECK(rig.device.attach("", {.read_only = true}).error().code == ErrorCode::resource_busy);
}

TEST_CASE("what follows other output at once reaches readers by itself, a moment later") {
    ConsoleRig rig;
    const auto reader = rig.watch();
    for (int i = 0; i < 20; ++i) {
        for (const std::string_view text : {"one", "two"}) {
            ChainBuilder(rig.transmit).readable(text).add();
            rig.driver.kick(transmit_queue);
            rig.settle();
            REQUIRE(rig.transmit.take_used());
        }
        REQUIRE(read_exactly(reader.get(), 6) == "onetwo");
    }
}

TEST_CASE("the pty works like any reader, in raw mode") {
    ConsoleRig rig;
    REQUIRE(rig.device.backend_name().starts_with("/dev/pts/"));
    const auto pty = rig.open_pty();
    REQUIRE(pty);
    rig.print("line\n");
    CHECK(read_exactly(pty.get(), 5) == "line\n");
    type(pty, "\x03q\r");
    CHECK(rig.receive_into(rig.give_buffer()) == "\x03q\r");
}

TEST_CASE("a pty that nobody reads stops nothing, and costs no time") {
    ConsoleRig rig;
    for (int i = 0; i < 100; ++i) {
        rig.print(std::string(4096, 'z'));
    }
    const auto fd = rig.watch(3);
    rig.print("!");
    CHECK(read_exactly(fd.get(), 4) == "zzz!");
    // Its thread sleeps: it would use all of this time otherwise.
    timespec before{};
    timespec after{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    std::this_thread::sleep_for(200ms);
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    const auto used = (after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000;
    CHECK(used < 100);
    CHECK(read_for(rig.open_pty().get(), 200ms).ends_with("z!"));
}

TEST_CASE("a receive buffer that cannot be written needs a reset") {
    ConsoleRig rig;
    const auto fd = rig.attach();
    ChainBuilder(rig.receive).readable("wrong way").add();
    rig.driver.kick(receive_queue);
    type(fd, "x");
    CHECK(kit::eventually([&] { return rig.needs_reset(); }));
    rig.receive.reset();
    rig.transmit.reset();
    rig.start();
    CHECK(rig.receive_into(rig.give_buffer()) == "x");
}

TEST_CASE("after quiesce the history can be read, then it ends") {
    ConsoleRig rig;
    const auto before = rig.attach();
    rig.print("last words\r\n");
    rig.device.quiesce();
    CHECK(read_exactly(before.get(), 12) == "last words\r\n");
    const auto after = rig.attach();
    CHECK(read_exactly(after.get(), 12) == "last words\r\n");
    rig.device.drop_left();
    CHECK(at_end(before.get()));
    CHECK(at_end(after.get()));
}

} // namespace console_test
