// SPDX-License-Identifier: Apache-2.0
#include "programs.hpp"

#include "machine.hpp"
#include "measure.hpp"

#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <format>
#include <fstream>
#include <poll.h>
#include <spawn.h>
#include <stdexcept>
#include <string_view>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

namespace hvisor::bench {
namespace {

constexpr std::chrono::seconds patience{10};

/// What exec() wants: each text, then null.
std::vector<char*> pointers_to(std::vector<std::string>& texts) {
    std::vector<char*> pointers;
    pointers.reserve(texts.size() + 1);
    for (auto& text : texts) {
        pointers.push_back(text.data());
    }
    pointers.push_back(nullptr);
    return pointers;
}

} // namespace

Process::Process(std::vector<std::string> arguments, const std::vector<std::string>& more_environment,
                 int output) {
    auto argv = pointers_to(arguments);
    std::vector<std::string> environment = more_environment;
    for (char** entry = environ; *entry != nullptr; ++entry) {
        environment.emplace_back(*entry);
    }
    auto envp = pointers_to(environment);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    if (output >= 0) {
        ::posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    }
    const int error = ::posix_spawnp(&id_, argv[0], &actions, nullptr, argv.data(), envp.data());
    ::posix_spawn_file_actions_destroy(&actions);
    if (error != 0) {
        throw std::runtime_error(std::format("cannot start {}: {}", arguments.front(), std::strerror(error)));
    }
}

Process::~Process() {
    if (id_ > 0) {
        ::kill(id_, SIGTERM);
        ::waitpid(id_, nullptr, 0);
    }
}

bool Process::wait() {
    int status = 0;
    ::waitpid(std::exchange(id_, -1), &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

Folder::Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "hvisor-bench-XXXXXX").native();
    if (::mkdtemp(name.data()) == nullptr) {
        fail("no temporary folder");
    }
    path_ = name;
}

Folder::~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

void Folder::write(const std::string& name, const std::string& text) const {
    std::ofstream(path(name)) << text;
}

void Folder::write_zone(unsigned number) const {
    const auto ram = std::format("{:#x}", 0x50000000 + (number - 1) * 0x1000000);
    write(std::format("zone{}.json", number),
          std::format(R"({{ "name": "zone{0}", "zone_id": {0}, "cpus": [{1}],
  "memory_regions": [
{{ "type": "ram", "physical_start": "{2}", "virtual_start": "{2}", "size": "0x1000000" }},
{{ "type": "virtio", "physical_start": "0xa003800", "virtual_start": "0xa003800", "size": "0x200" }},
{{ "type": "virtio", "physical_start": "0xa003c00", "virtual_start": "0xa003c00", "size": "0x200" }} ],
  "interrupts": [76, 78], "ivc_configs": [],
  "kernel_filepath": "./Image", "kernel_load_paddr": "{2}",
  "dtb_filepath": "null", "dtb_load_paddr": "{2}", "entry_point": "{2}",
  "arch_config": {{ "gic_version": "v3", "gicd_base": "0x8000000", "gicd_size": "0x10000",
               "gicr_base": "0x80a0000", "gicr_size": "0xf60000",
               "gits_base": "0x8080000", "gits_size": "0x20000", "is_aarch32": false }},
  "pci_config": [], "alloc_pci_devs": [] }}
)",
                      number, number + 1, ram));
    write(std::format("zone{}.virtio.json", number), std::format(R"({{ "zones": [ {{ "id": {0},
"memory_region": [ {{ "zone0_ipa": "{1}", "zonex_ipa": "{1}", "size": "0x1000000" }} ],
"devices": [
  {{ "type": "console", "addr": "0xa003800", "len": "0x200", "irq": 76, "status": "enable" }},
  {{ "type": "blk", "addr": "0xa003c00", "len": "0x200", "irq": 78, "img": "disk{0}.img",
    "status": "enable" }} ] }} ] }}
)",
                                                                 number, ram));
    write(std::format("disk{}.img", number), std::string(std::size_t{1} << 20, '\0'));
}

Bus::Bus() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
        fail("cannot make a pipe");
    }
    const UniqueFd from(ends[0]);
    UniqueFd to(ends[1]);
    process_.emplace(std::vector<std::string>{"dbus-daemon", "--session", "--nofork", "--print-address=1"},
                     std::vector<std::string>{}, to.get());
    to.reset();
    std::array<char, 512> text{};
    const auto length = ::read(from.get(), text.data(), text.size());
    if (length <= 1) {
        throw std::runtime_error("the message bus did not start");
    }
    address_.assign(text.data(), static_cast<std::size_t>(length) - 1);
}

Notifications::Notifications(const std::string& path)
    : socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) {
        throw std::runtime_error("the path of the temporary folder is too long");
    }
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    if (!socket_ || ::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        fail("cannot make a notification socket");
    }
}

void Notifications::wait_for_ready() const {
    const auto deadline = Clock::now() + patience;
    while (Clock::now() < deadline) {
        pollfd ready{.fd = socket_.get(), .events = POLLIN, .revents = 0};
        std::array<char, 512> text{};
        if (::poll(&ready, 1, 100) == 1) {
            const auto length = ::recv(socket_.get(), text.data(), text.size(), 0);
            if (std::string_view(text.data(), static_cast<std::size_t>(length)).contains("READY=1")) {
                return;
            }
        }
    }
    throw std::runtime_error("hvisord did not become ready");
}

} // namespace hvisor::bench
