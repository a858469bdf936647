// SPDX-License-Identifier: Apache-2.0
#include "hypervisor/hvisor_module.hpp"

#include "base/errno_text.hpp"
#include "base/log.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fcntl.h>
#include <linux/hvisor.h>
#include <string_view>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <system_error>
#include <utility>

namespace hvisor::hypervisor {
namespace {

static_assert(sizeof(hvisor_bridge) == sizeof(BridgePage));
static_assert(offsetof(hvisor_bridge, need_wakeup) == offsetof(BridgePage, need_wakeup));

/// Small enough that a signal ends a long copy soon, large enough that the
/// calls cost nothing.
constexpr std::size_t load_chunk = std::size_t{16} << 20;

std::uint64_t to_user_pointer(const void* pointer) {
    return reinterpret_cast<std::uintptr_t>(pointer);
}

std::unexpected<Error> refused(int error, std::string_view what) {
    switch (error) {
    case EPERM:
        return fail(ErrorCode::not_permitted, "{}: not permitted; hvisord runs as root in the root zone",
                    what);
    case EBUSY:
        return fail(ErrorCode::resource_busy, "{}: busy, a CPU belongs to another zone or still runs", what);
    case EACCES:
        return fail(ErrorCode::invalid_config,
                    "{}: the memory is not reserved for zones; it must lie in one no-map child of "
                    "/reserved-memory or in the module's parameter zone_ram=",
                    what);
    default:
        return fail(ErrorCode::hypervisor_refused, "{}: {}; the kernel log may say why", what,
                    errno_text(error));
    }
}

/// The device's file in the FdStore.
constexpr const char* kept_name = "module";

/// The exclusive role. Upstream's module gives a positive errno when it found no wake-up interrupt.
Result<void> become_daemon(int device, const std::string& path) {
    const int result = ::ioctl(device, HVISOR_INIT_VIRTIO);
    const int error = result < 0 ? errno : result;
    switch (error) {
    case 0:
        return {};
    case EBUSY:
        return fail(ErrorCode::resource_busy, "{}: another virtio daemon runs; stop it first", path);
    case ENOTTY:
        return fail(ErrorCode::no_hypervisor,
                    "{}: the module has no wake-up interrupt; the root zone's device tree needs the node "
                    "hvisor_virtio_device",
                    path);
    default:
        return fail(ErrorCode::no_hypervisor, "{}: cannot attach to the hypervisor: {}", path,
                    errno_text(error));
    }
}

} // namespace

Error missing_device(const std::string& path, int error, const std::filesystem::path& device_tree) {
    if (error == EACCES || error == EPERM) {
        return {ErrorCode::not_permitted,
                std::format("{}: {}; hvisord runs as root", path, errno_text(error))};
    }
    // The module looks for the same nodes, and says so in the kernel log.
    std::error_code ignored;
    if (std::filesystem::is_directory(device_tree, ignored) &&
        !std::filesystem::exists(device_tree / "hvisor_virtio_device", ignored) &&
        !std::filesystem::exists(device_tree / "hvisor_device", ignored)) {
        return {ErrorCode::no_hypervisor,
                std::format("{}: {}; the device tree has no node /hvisor_virtio_device, so this Linux is not "
                            "hvisor's root zone, or its device tree lacks the node",
                            path, errno_text(error))};
    }
    utsname kernel{};
    ::uname(&kernel);
    return {ErrorCode::no_hypervisor,
            std::format("{}: {}; load the kernel module with 'modprobe hvisor', which works in the root zone "
                        "only; if there is no such module, build it for this kernel, {}",
                        path, errno_text(error), kernel.release)};
}

Result<std::unique_ptr<Hypervisor>> HvisorModule::open(const std::string& path, FdStore& store) {
    UniqueFd device = store.take(kept_name);
    if (!device) {
        device.reset(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    }
    if (!device) {
        return std::unexpected(missing_device(path, errno));
    }
    const int file = device.get();
    auto opened = attach(path, std::move(device));
    if (opened) {
        // The role stays with the file when this process ends, and zones wait for the next
        // one's answers.
        store.keep(kept_name, file);
    } else {
        // A file that is of no use to us must not keep the role from the next try.
        store.drop(kept_name);
    }
    return opened;
}

Result<std::unique_ptr<Hypervisor>> HvisorModule::attach(const std::string& path, UniqueFd device) {
    hvisor_version version{};
    const bool is_upstream = ::ioctl(device.get(), HVISOR_GET_VERSION, &version) != 0;
    if (!is_upstream && version.abi != HVISOR_ABI_VERSION) {
        return fail(ErrorCode::incompatible,
                    "{}: the module has interface version {}, hvisord needs {}; install both "
                    "from one release",
                    path, version.abi, HVISOR_ABI_VERSION);
    }
    if (auto attached = become_daemon(device.get(), path); !attached) {
        return std::unexpected(attached.error());
    }
    UniqueFd wakeup(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!wakeup || ::ioctl(device.get(), HVISOR_SET_EVENTFD, wakeup.get()) != 0) {
        return fail(ErrorCode::no_hypervisor, "{}: cannot register for wake-up interrupts: {}", path,
                    errno_text());
    }
    auto bridge = Mapping::map_shared(device.get(), is_upstream ? 0 : HVISOR_MMAP_BRIDGE, bridge_page_size,
                                      "the bridge page of " + path);
    if (!bridge) {
        return std::unexpected(std::move(bridge).error());
    }
    if (is_upstream) {
        log::info("{}: the module of hvisor-tool; zone starts are not checked by it", path);
    }
    return std::unique_ptr<Hypervisor>(
        new HvisorModule(path, std::move(device), std::move(wakeup), std::move(*bridge), is_upstream));
}

HvisorModule::HvisorModule(std::string path, UniqueFd device, UniqueFd wakeup, Mapping bridge,
                           bool is_upstream)
    : path_(std::move(path)),
      device_(std::move(device)),
      wakeup_(std::move(wakeup)),
      bridge_(std::move(bridge)),
      is_upstream_(is_upstream) {}

Result<std::uint64_t> HvisorModule::config_magic() {
    std::uint64_t magic = 0;
    if (::ioctl(device_.get(), HVISOR_CONFIG_CHECK, &magic) != 0 || magic == 0) {
        return fail(ErrorCode::incompatible,
                    "{}: the hypervisor does not tell its configuration version; it is older than 2025-03",
                    path_);
    }
    return magic;
}

Result<std::vector<ZoneInfo>> HvisorModule::list_zones() {
    std::array<hvisor_zone_info, HVISOR_MAX_ZONES> infos{};
    hvisor_zone_list list{.cnt = infos.size(), .zones = to_user_pointer(infos.data())};
    const int count = ::ioctl(device_.get(), HVISOR_ZONE_LIST, &list);
    if (count < 0) {
        return refused(errno, "cannot list the zones");
    }
    std::vector<ZoneInfo> zones;
    for (const auto& info : std::span(infos).first(std::min(static_cast<std::size_t>(count), infos.size()))) {
        const std::string_view name(reinterpret_cast<const char*>(info.name), sizeof info.name);
        zones.push_back({.id = info.zone_id,
                         .cpus = info.cpus,
                         .name = std::string(name.substr(0, name.find('\0'))),
                         .has_error = info.is_err != 0});
    }
    return zones;
}

Result<void> HvisorModule::load(std::uint64_t address, std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
        const auto chunk = bytes.first(std::min(bytes.size(), load_chunk));
        hvisor_load_image args{
            .user_buffer = to_user_pointer(chunk.data()), .size = chunk.size(), .load_paddr = address};
        if (::ioctl(device_.get(), HVISOR_LOAD_IMAGE, &args) != 0) {
            if (errno == EINTR) {
                continue;
            }
            const int error = errno;
            return refused(error, std::format("cannot load {:#x} bytes to {:#x}", chunk.size(), address));
        }
        address += chunk.size();
        bytes = bytes.subspan(chunk.size());
    }
    return {};
}

Result<void> HvisorModule::clear(std::uint64_t address, std::uint64_t size) {
    // Upstream's module has no such call, but writes what it is given.
    static const std::array<std::byte, 65536> zeros{};
    const std::uint64_t largest = is_upstream_ ? zeros.size() : load_chunk;
    while (size != 0) {
        const hvisor_range range{.address = address, .size = std::min(size, largest)};
        if (is_upstream_) {
            if (auto loaded = load(address, std::span(zeros).first(range.size)); !loaded) {
                return loaded;
            }
        } else if (::ioctl(device_.get(), HVISOR_ZERO, &range) != 0) {
            if (errno == EINTR) {
                continue;
            }
            const int error = errno;
            return refused(error, std::format("cannot clear {:#x} bytes at {:#x}", range.size, address));
        }
        address += range.size;
        size -= range.size;
    }
    return {};
}

Result<void> HvisorModule::start_zone(std::span<const std::byte> config) {
    int result = 0;
    if (is_upstream_) {
        // That call has no size: the module reads as much as its own structure has, 3296 bytes at most.
        std::array<std::byte, 4096> padded{};
        std::ranges::copy(config.first(std::min(config.size(), padded.size())), padded.begin());
        result = ::ioctl(device_.get(), HVISOR_ZONE_START, padded.data());
    } else {
        hvisor_zone_start args{.config = to_user_pointer(config.data()), .size = config.size()};
        result = ::ioctl(device_.get(), HVISOR_ZONE_START_SIZED, &args);
    }
    if (result != 0) {
        return refused(errno, "the hypervisor did not start the zone");
    }
    return {};
}

Result<void> HvisorModule::shutdown_zone(std::uint32_t id) {
    if (::ioctl(device_.get(), HVISOR_ZONE_SHUTDOWN, std::uint64_t{id}) != 0) {
        if (errno == EINVAL) {
            return fail(ErrorCode::no_such_zone, "the hypervisor has no zone {} that can be shut down", id);
        }
        const int error = errno;
        return refused(error, std::format("the hypervisor did not shut down zone {}", id));
    }
    return {};
}

Result<Mapping> HvisorModule::map_ram(std::uint64_t address, std::uint64_t size) {
    const auto offset = is_upstream_ ? address : HVISOR_MMAP_PHYSICAL | address;
    if (offset == 0) {
        return fail(ErrorCode::invalid_config,
                    "the module of hvisor-tool cannot map guest memory at address 0");
    }
    void* mapped =
        ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, device_.get(), static_cast<off_t>(offset));
    if (mapped == MAP_FAILED) {
        const int error = errno;
        return refused(error, std::format("cannot map guest memory {:#x} at {:#x}", size, address));
    }
    return Mapping(mapped, size);
}

BridgePage& HvisorModule::bridge_page() {
    return *reinterpret_cast<BridgePage*>(bridge_.data());
}

void HvisorModule::finish_requests() {
    // It cannot fail for the holder of the role, and a lost interrupt is repeated anyway.
    ::ioctl(device_.get(), HVISOR_FINISH_REQ);
}

} // namespace hvisor::hypervisor
