// SPDX-License-Identifier: Apache-2.0
#include "base/blame.hpp"
#include "base/error_table.hpp"
#include "base/fd_store.hpp"
#include "base/log.hpp"
#include "base/state_memory.hpp"
#include "hypervisor/hvisor_module.hpp"
#include "hypervisor/late_hypervisor.hpp"
#include "hypervisor/remote_machine.hpp"
#include "hypervisor/simulated.hpp"
#include "hypervisor/trap_loop.hpp"
#include "service/inherited_files.hpp"
#include "service/main_loop.hpp"
#include "service/service.hpp"
#include "zone/config_files.hpp"
#include "zone/zone_manager.hpp"

#include <CLI/CLI.hpp>

#include <csignal>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

namespace hvisor {
namespace {

constexpr int exit_usage = 2;

struct Options {
    bool simulated = false;
    std::string device;
    std::string bus;
    std::string listen;
    std::vector<std::filesystem::path> config_dirs = zone::config_directories();
};

void describe(CLI::App& app, Options& options) {
    app.set_version_flag("--version", "hvisord " HVISORD_VERSION, "Print the version");
    app.set_help_flag("-h,--help", "Print this help");
    app.add_option("--bus", options.bus,
                   "The message bus: system (the default, if there is one), session or an address")
        ->type_name("BUS");
    app.add_option("--listen", options.listen,
                   "Serve programs that connect to a socket here, too: for a system without a message bus")
        ->type_name("PATH");
    app.add_option("--config-dir", options.config_dirs,
                   "Folder of configured zones, instead of the usual ones; may be given more than once")
        ->type_name("DIR");
    app.add_option("--device", options.device,
                   "The kernel module's device, /dev/hvisor by default; with --simulated a file: the "
                   "hypervisor is absent until there is one of that name; or a socket: it is another "
                   "process's")
        ->type_name("PATH");
    app.add_flag("--simulated", options.simulated,
                 "Work with a simulated hypervisor: no module, no guest, no root");
}

/// The simulated machine is, and goes on when this process ends.
bool is_another_process(const Options& options) {
    std::error_code ignored;
    return options.simulated && std::filesystem::is_socket(options.device, ignored);
}

Result<std::unique_ptr<hypervisor::Hypervisor>> open_hypervisor(const Options& options, FdStore& store) {
    if (!options.simulated) {
        return hypervisor::HvisorModule::open(options.device, store);
    }
    std::error_code ignored;
    if (is_another_process(options)) {
        return hypervisor::RemoteMachine::connect(options.device);
    }
    if (!options.device.empty() && !std::filesystem::exists(options.device, ignored)) {
        return fail(ErrorCode::no_hypervisor, "{} is not there; the simulated hypervisor waits for that file",
                    options.device);
    }
    return std::make_unique<hypervisor::Simulated>();
}

/// What the TrapLoop of a process after this one has to know.
std::shared_ptr<const StateMemory> bridge_memory(FdStore& store) {
    constexpr const char* name = "bridge";
    if (!store.is_kept()) {
        return nullptr;
    }
    UniqueFd kept = store.take(name);
    auto memory = kept ? StateMemory::open(std::move(kept), name) : StateMemory::create(name);
    if (!memory) {
        log::warning("{}; zones do not outlive this process", memory.error().message);
        return nullptr;
    }
    store.keep(name, memory->fd());
    return std::make_shared<const StateMemory>(std::move(*memory));
}

Result<void> serve(const Options& options, std::vector<std::string> arguments) {
    // The loop first: it blocks the signals that it takes.
    auto loop = service::MainLoop::create();
    if (!loop) {
        return std::unexpected(std::move(loop.error()));
    }
    auto inherited = service::InheritedFiles::take(std::move(arguments));
    FdStore& store = *inherited.store;
    hypervisor::LateHypervisor hypervisor([&] { return open_hypervisor(options, store); });
    hypervisor::TrapLoop trap_loop(hypervisor, {}, bridge_memory(store));
    // A simulated hypervisor's memory is none of this machine's device tree.
    zone::ZoneManager zones(hypervisor, trap_loop, options.config_dirs,
                            options.simulated ? std::filesystem::path() : "/proc/device-tree", &store);

    auto service =
        service::Service::create(**loop, {.hypervisor = hypervisor, .trap_loop = trap_loop, .zones = zones},
                                 {.bus = options.bus,
                                  .listen = options.listen,
                                  .device = options.device,
                                  .socket = std::move(inherited.socket),
                                  .is_succeeded = inherited.successor == nullptr &&
                                                  (!options.simulated || is_another_process(options)),
                                  .successor = inherited.successor.get()});
    if (!service) {
        return std::unexpected(std::move(service.error()));
    }
    return (*loop)
        ->on_signal(SIGTERM, [&] { (*service)->stop(); })
        .and_then([&] { return (*loop)->on_signal(SIGINT, [&] { (*service)->stop(); }); })
        .and_then([&] { return (*loop)->on_signal(SIGHUP, [&] { (*service)->reload(); }); })
        .and_then([&] { return (*loop)->on_signal(SIGUSR2, [&] { (*service)->reexecute(); }); })
        .and_then([&] { return (*service)->publish(); })
        .and_then([&] { return (*loop)->run(); })
        // CPUs of zones that go on running wait for these answers.
        .transform([&] { static_cast<void>(trap_loop.drain()); });
}

int run(int argc, char** argv) {
    count_faults();
    // Whoever reads the log may go; the zones stay.
    static_cast<void>(std::signal(SIGPIPE, SIG_IGN));

    Options options;
    CLI::App app("Serve virtio devices to the zones of an hvisor machine, and control them over D-Bus",
                 "hvisord");
    describe(app, options);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : exit_usage;
    }
    if (options.device.empty() && !options.simulated) {
        options.device = "/dev/hvisor";
    }
    if (const auto result = serve(options, {argv, argv + argc}); !result) {
        log::error("{}", result.error().message);
        return error_row(result.error().code).exit_status;
    }
    return 0;
}

} // namespace
} // namespace hvisor

int main(int argc, char** argv) {
    try {
        return hvisor::run(argc, argv);
    } catch (const std::exception& error) {
        // Nothing throws on purpose this far; say it rather than abort.
        static_cast<void>(std::fprintf(stderr, "hvisord: %s\n", error.what()));
        return 1;
    }
}
