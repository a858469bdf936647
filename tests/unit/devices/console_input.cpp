// SPDX-License-Identifier: Apache-2.0
// Who may type, and when what was typed reaches the guest.
#include "console_rig.hpp"

#include <sys/ioctl.h>
#include <thread>

namespace console_input_test {

using namespace hvisor;
using namespace hvisor::devices::console;
using namespace std::chrono_literals;
using kit::ChainBuilder;

namespace {

/// Everything the guest gets from now on, in buffers that it gives one by one
/// and `pause` apart.
std::string receive_all(ConsoleRig& rig, std::size_t size, std::uint32_t buffer_size = 4096,
                        std::chrono::microseconds pause = {}) {
    const auto address = rig.ram.allocate(buffer_size);
    std::string received;
    while (received.size() < size) {
        ChainBuilder(rig.receive).at(address, buffer_size, kit::desc_write).add();
        rig.driver.kick(receive_queue);
        std::optional<kit::SplitQueue::Used> used;
        REQUIRE(kit::eventually([&] { return (used = rig.receive.take_used()).has_value(); }));
        received += kit::to_text(rig.ram.read(address, used->length));
        std::this_thread::sleep_for(pause);
    }
    return received;
}

std::string long_text(std::size_t size) {
    std::string text;
    for (int i = 0; text.size() < size; ++i) {
        text += std::to_string(i) + '\n';
    }
    text.resize(size);
    return text;
}

} // namespace

TEST_CASE("a second client that wants to type is told that another does") {
    ConsoleRig rig;
    const auto first = rig.attach();
    const auto second = rig.device.attach("", {});
    REQUIRE_FALSE(second);
    CHECK(second.error().code == ErrorCode::resource_busy);
    CHECK(second.error().message.contains("read-only"));
    // The first one has not noticed.
    type(first, "a");
    CHECK(rig.receive_into(rig.give_buffer()) == "a");
    CHECK(rig.device.ports().front().has_typist);
    CHECK(rig.device.ports().front().streams == 1);
}

TEST_CASE("the input is free again when its owner leaves, or says that no more comes") {
    ConsoleRig rig;
    auto first = rig.attach();
    SECTION("leaves") {
        first.reset();
    }
    SECTION("ends its input") {
        REQUIRE(::shutdown(first.get(), SHUT_WR) == 0);
    }
    const auto second = rig.attach();
    type(second, "b");
    std::string received;
    while (received.empty()) {
        received = rig.receive_into(rig.give_buffer());
    }
    CHECK(received == "b");
}

TEST_CASE("a client's stream is kept until it leaves, or has got the end") {
    ConsoleRig rig;
    auto client = rig.attach();
    const auto watcher = rig.watch();
    CHECK(rig.kept.size() == 2);
    client.reset();
    CHECK(kit::eventually([&] {
        rig.device.drop_left();
        return rig.kept.size() == 1;
    }));
    rig.device.quiesce();
    rig.device.drop_left();
    CHECK(rig.kept.empty());
    CHECK(at_end(watcher.get()));
}

TEST_CASE("what was typed before comes before what the next one types") {
    ConsoleRig rig;
    {
        const auto first = rig.attach();
        type(first, "first,");
    }
    const auto second = rig.attach();
    type(second, "second");
    rig.settle();
    CHECK(receive_all(rig, 12) == "first,second");
}

TEST_CASE("with force the input changes hands, and nothing typed is lost") {
    ConsoleRig rig;
    const auto first = rig.attach();
    type(first, "mine,");
    const auto second = rig.attach({.force = true});
    type(second, "now mine");
    CHECK(receive_all(rig, 13) == "mine,now mine");
    // The first one is told, cannot type, and still watches.
    CHECK(read_for(first.get(), 200ms).contains("[hvisord: another client has taken the input"));
    CHECK(::send(first.get(), "x", 1, MSG_NOSIGNAL) == -1);
    rig.print("output");
    CHECK(read_exactly(first.get(), 6) == "output");
    CHECK(rig.device.ports().front().streams == 2);
}

TEST_CASE("the pty has the input while no client has it") {
    ConsoleRig rig;
    const auto pty = rig.open_pty();
    auto client = rig.attach();
    type(pty, "later");
    // It is told so at once.
    CHECK(read_for(pty.get(), 500ms).contains("what you type waits until it leaves"));
    type(client, "first,");
    CHECK(receive_all(rig, 6) == "first,");
    CHECK(rig.device.ports().front().has_typist);
    client.reset();
    CHECK(receive_all(rig, 5) == "later");
    CHECK_FALSE(rig.device.ports().front().has_typist);
    // And only once each time.
    CHECK(read_for(pty.get(), 100ms).empty());
    client = rig.attach();
    type(pty, "again");
    CHECK(read_for(pty.get(), 500ms).contains("what you type waits"));
    type(pty, "more");
    CHECK(read_for(pty.get(), 100ms).empty());
}

TEST_CASE("watching takes the input from nobody") {
    ConsoleRig rig;
    const auto watcher = rig.watch();
    const auto pty = rig.open_pty();
    type(pty, "x");
    CHECK(rig.receive_into(rig.give_buffer()) == "x");
}

TEST_CASE("a paste of 1 MiB into a guest that reads slowly arrives whole") {
    ConsoleRig rig;
    const auto text = long_text(std::size_t{1} << 20);
    const auto fd = rig.attach();
    const std::jthread typist([&] {
        std::string_view rest = text;
        while (!rest.empty()) {
            const auto count = ::send(fd.get(), rest.data(), rest.size(), MSG_NOSIGNAL);
            if (count <= 0) {
                return;
            }
            rest.remove_prefix(static_cast<std::size_t>(count));
        }
    });
    CHECK(receive_all(rig, text.size(), 1000, 100us) == text);
}

TEST_CASE("a paste into the pty arrives whole") {
    ConsoleRig rig;
    const auto text = long_text(std::size_t{64} << 10);
    const auto pty = rig.open_pty();
    const std::jthread typist([&] { static_cast<void>(::write(pty.get(), text.data(), text.size())); });
    CHECK(receive_all(rig, text.size(), 100) == text);
}

TEST_CASE("input that waits for the guest costs no time") {
    ConsoleRig rig;
    const auto stream = rig.attach();
    const auto pty = rig.open_pty();
    const auto text = long_text(4000);
    type(stream, text);
    type(pty, "waits too");
    // Their thread sleeps: it would use all of this time otherwise.
    timespec before{};
    timespec after{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    std::this_thread::sleep_for(200ms);
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    CHECK((after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000 < 100);
}

TEST_CASE("the size follows who sets it, and the pty shows it") {
    ConsoleRig rig;
    const auto pty = rig.open_pty();
    winsize window{};
    REQUIRE(::ioctl(pty.get(), TIOCGWINSZ, &window) == 0);
    CHECK(window.ws_col == 80);
    CHECK(window.ws_row == 25);
    REQUIRE(rig.device.resize("", {.columns = 132, .rows = 43}));
    REQUIRE(::ioctl(pty.get(), TIOCGWINSZ, &window) == 0);
    CHECK(window.ws_col == 132);
    CHECK(window.ws_row == 43);
    CHECK(rig.device.ports().front().size == Size{.columns = 132, .rows = 43});
    CHECK(rig.device.resize("nothing", {.columns = 1, .rows = 1}).error().code == ErrorCode::no_such_device);

    // Somebody with a larger window uses the pty.
    window.ws_col = 200;
    window.ws_row = 60;
    REQUIRE(::ioctl(pty.get(), TIOCSWINSZ, &window) == 0);
    type(pty, "x");
    CHECK(rig.receive_into(rig.give_buffer()) == "x");
    CHECK(rig.device.ports().front().size == Size{.columns = 200, .rows = 60});
}

} // namespace console_input_test
