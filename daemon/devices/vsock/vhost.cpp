// SPDX-License-Identifier: Apache-2.0
#include "devices/vsock/vhost.hpp"

#include "base/errno_text.hpp"
#include "devices/vsock/config.hpp"
#include "devices/vsock/vhost_calls.hpp"

#include <cerrno>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <tuple>
#include <utility>
#include <vector>

namespace hvisor::devices::vsock {
namespace {

constexpr const char* path = "/dev/vhost-vsock";

/// What a driver and vhost may agree on. RING_PACKED and RING_RESET vhost does
/// not know; what it may learn one day is not offered before it was tried here.
constexpr virtio::FeatureSet known_features{f_seqpacket, virtio::FeatureBit::ring_indirect_desc,
                                            virtio::FeatureBit::ring_event_idx,
                                            virtio::FeatureBit::version_1};

class KernelFile final : public VhostFile {
  public:
    explicit KernelFile(UniqueFd fd) : fd_(std::move(fd)) {}
    int call(unsigned long request, void* argument) override { return ::ioctl(fd_.get(), request, argument); }

  private:
    UniqueFd fd_;
};

std::uint64_t user_address(const guest::GuestSpan& span) {
    return reinterpret_cast<std::uintptr_t>(span.to_iovec().iov_base);
}

/// A kernel structure that ends in an array, with so many elements of it.
template <class Head, class Element>
class WithArray {
  public:
    explicit WithArray(std::size_t count)
        : words_((sizeof(Head) + count * sizeof(Element) + sizeof(std::uint64_t) - 1) /
                 sizeof(std::uint64_t)) {}
    [[nodiscard]] Head* get() { return reinterpret_cast<Head*>(words_.data()); }

  private:
    std::vector<std::uint64_t> words_;
};

} // namespace

Result<std::unique_ptr<VhostFile>> open_vhost_file() {
    UniqueFd fd(::open(path, O_RDWR | O_CLOEXEC));
    if (fd) {
        return std::make_unique<KernelFile>(std::move(fd));
    }
    if (errno == ENOENT || errno == ENODEV || errno == ENXIO) {
        return fail(ErrorCode::not_found,
                    "{} is not there; load the root zone's module for sockets with `modprobe vhost_vsock`",
                    path);
    }
    return fail(errno == EACCES || errno == EPERM ? ErrorCode::not_permitted : ErrorCode::io_error,
                "cannot open {}: {}", path, errno_text());
}

Result<std::unique_ptr<VhostVsock>> VhostVsock::create(std::unique_ptr<VhostFile> file, std::uint32_t cid,
                                                       const guest::GuestMemory& memory) {
    std::unique_ptr<VhostVsock> vhost(new VhostVsock(std::move(file)));
    if (auto done = vhost->set_up(cid, memory); !done) {
        return std::unexpected(std::move(done).error());
    }
    return vhost;
}

Result<void> VhostVsock::set_up(std::uint32_t cid, const guest::GuestMemory& memory) {
    // First: the kernel's worker lives in this process's memory from now on.
    if (auto done = call(VHOST_SET_OWNER, nullptr, "VHOST_SET_OWNER"); !done) {
        return done;
    }
    std::uint64_t bits = 0;
    if (auto done = call(VHOST_GET_FEATURES, &bits, "VHOST_GET_FEATURES"); !done) {
        return done;
    }
    features_ = virtio::FeatureSet::from_bits(bits & known_features.bits());
    if (!features_.has(virtio::FeatureBit::version_1)) {
        return fail(ErrorCode::incompatible,
                    "the kernel's vhost-vsock has the features {:#x} without VIRTIO_F_VERSION_1; expected a "
                    "kernel of this decade",
                    bits);
    }
    if (auto done = set_memory(memory); !done) {
        return done;
    }
    for (unsigned ring = 0; ring < vhost_rings; ++ring) {
        if (auto done = set_events(ring); !done) {
            return done;
        }
    }
    return set_cid(cid);
}

Result<void> VhostVsock::set_memory(const guest::GuestMemory& memory) {
    const auto& regions = memory.regions();
    WithArray<vhost_memory, vhost_memory_region> table(regions.size());
    table.get()->nregions = static_cast<std::uint32_t>(regions.size());
    for (std::size_t i = 0; i < regions.size(); ++i) {
        table.get()->regions[i] = {.guest_phys_addr = regions[i].guest_address(),
                                   .memory_size = regions[i].size(),
                                   .userspace_addr = reinterpret_cast<std::uintptr_t>(regions[i].host()),
                                   .flags_padding = 0};
    }
    return call(VHOST_SET_MEM_TABLE, table.get(), "VHOST_SET_MEM_TABLE");
}

Result<void> VhostVsock::set_cid(std::uint32_t cid) {
    std::uint64_t number = cid;
    if (file_->call(VHOST_VSOCK_SET_GUEST_CID, &number) == 0) {
        return {};
    }
    if (errno == EADDRINUSE) {
        return fail(ErrorCode::resource_busy,
                    "the cid {} belongs to another zone, or to a virtual machine of the root zone; expected "
                    "one of its own, {} to {}",
                    cid, least_cid, largest_cid);
    }
    return fail(ErrorCode::invalid_config, "the kernel refuses the cid {}: {}; expected {} to {}", cid,
                errno_text(), least_cid, largest_cid);
}

Result<void> VhostVsock::set_events(unsigned ring) {
    auto& events = events_.at(ring);
    for (const auto& [fd, request, name] :
         {std::tuple{&events.kick, VHOST_SET_VRING_KICK, "VHOST_SET_VRING_KICK"},
          std::tuple{&events.call, VHOST_SET_VRING_CALL, "VHOST_SET_VRING_CALL"},
          std::tuple{&events.error, VHOST_SET_VRING_ERR, "VHOST_SET_VRING_ERR"}}) {
        fd->reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
        if (!*fd) {
            return fail(ErrorCode::failed, "cannot make an eventfd: {}", errno_text());
        }
        vhost_vring_file file{.index = ring, .fd = fd->get()};
        if (auto done = call(request, &file, name); !done) {
            return done;
        }
    }
    return {};
}

Result<void> VhostVsock::set_ring(unsigned ring, const virtio::QueueLayout& layout,
                                  std::uint16_t next_avail) {
    vhost_vring_state size{.index = ring, .num = layout.size()};
    if (auto done = call(VHOST_SET_VRING_NUM, &size, "VHOST_SET_VRING_NUM"); !done) {
        return done;
    }
    vhost_vring_state base{.index = ring, .num = next_avail};
    if (auto done = call(VHOST_SET_VRING_BASE, &base, "VHOST_SET_VRING_BASE"); !done) {
        return done;
    }
    vhost_vring_addr addresses{.index = ring,
                               .flags = 0,
                               .desc_user_addr = user_address(layout.descriptors()),
                               .used_user_addr = user_address(layout.device()),
                               .avail_user_addr = user_address(layout.driver()),
                               .log_guest_addr = 0};
    return call(VHOST_SET_VRING_ADDR, &addresses, "VHOST_SET_VRING_ADDR");
}

Result<void> VhostVsock::start(virtio::FeatureSet negotiated,
                               const std::array<virtio::QueueLayout, vhost_rings>& rings,
                               virtio::Queue::Start start) {
    std::uint64_t bits = negotiated.bits();
    if (auto done = call(VHOST_SET_FEATURES, &bits, "VHOST_SET_FEATURES"); !done) {
        return done;
    }
    for (unsigned ring = 0; ring < vhost_rings; ++ring) {
        const auto& layout = rings.at(ring);
        // The index is the guest's to spoil. The kernel looks where that leads, and refuses.
        const auto next = start == virtio::Queue::Start::continued ? virtio::SplitRing::used_index(layout)
                                                                   : std::uint16_t{0};
        if (auto done = set_ring(ring, layout, next); !done) {
            return done;
        }
    }
    if (auto done = set_running(true); !done) {
        return done;
    }
    // What was made available before has had its notification already.
    for (std::size_t ring = 0; ring < vhost_rings; ++ring) {
        kick(ring);
    }
    return {};
}

Result<std::array<std::uint16_t, vhost_rings>> VhostVsock::stop() {
    if (auto done = set_running(false); !done) {
        return std::unexpected(std::move(done).error());
    }
    std::array<std::uint16_t, vhost_rings> next{};
    for (unsigned ring = 0; ring < vhost_rings; ++ring) {
        vhost_vring_state base{.index = ring, .num = 0};
        if (auto done = call(VHOST_GET_VRING_BASE, &base, "VHOST_GET_VRING_BASE"); !done) {
            return std::unexpected(std::move(done).error());
        }
        next.at(ring) = static_cast<std::uint16_t>(base.num);
    }
    return next;
}

Result<void> VhostVsock::set_running(bool running) {
    int value = running ? 1 : 0;
    return call(VHOST_VSOCK_SET_RUNNING, &value, "VHOST_VSOCK_SET_RUNNING");
}

void VhostVsock::kick(std::size_t ring) const {
    // vhost never reads the counter, and 2^64 kicks do not happen.
    static_cast<void>(::eventfd_write(events_.at(ring).kick.get(), 1));
}

Result<void> VhostVsock::call(unsigned long request, void* argument, const char* name) {
    if (file_->call(request, argument) < 0) {
        return fail(ErrorCode::failed, "the kernel's vhost-vsock refuses {}: {}", name, errno_text());
    }
    return {};
}

} // namespace hvisor::devices::vsock
