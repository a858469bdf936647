// SPDX-License-Identifier: Apache-2.0
// A disk whose image hangs, for real: the guest's buffer is memory that the kernel does
// not get before userfaultfd(2) has given it, so a write to the image waits inside the
// kernel as it would for a broken medium.
#include "block_rig.hpp"

#include <cerrno>
#include <chrono>
#include <linux/magic.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

namespace block_stall_test {

using namespace hvisor;
using namespace hvisor::devices::block;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t page = 4096;

/// Makes a page of memory one that is waited for.
class WaitedPage {
  public:
    explicit WaitedPage(std::byte* address) : address_(address) {
        uffdio_api api{.api = UFFD_API, .features = 0, .ioctls = 0};
        uffdio_register range{
            .range = {.start = start(), .len = page}, .mode = UFFDIO_REGISTER_MODE_MISSING, .ioctls = 0};
        is_there_ = fault_ && ::madvise(address_, page, MADV_DONTNEED) == 0 &&
                    ::ioctl(fault_.get(), UFFDIO_API, &api) == 0 &&
                    ::ioctl(fault_.get(), UFFDIO_REGISTER, &range) == 0;
    }
    [[nodiscard]] bool is_there() const { return is_there_; }
    /// Somebody waits for it.
    [[nodiscard]] bool is_awaited() const {
        uffd_msg message{};
        return ::read(fault_.get(), &message, sizeof message) == sizeof message &&
               message.event == UFFD_EVENT_PAGEFAULT;
    }
    void give() const {
        uffdio_zeropage zero{.range = {.start = start(), .len = page}, .mode = 0, .zeropage = 0};
        REQUIRE(::ioctl(fault_.get(), UFFDIO_ZEROPAGE, &zero) == 0);
    }

  private:
    [[nodiscard]] std::uint64_t start() const { return reinterpret_cast<std::uintptr_t>(address_); }

    std::byte* address_;
    UniqueFd fault_{static_cast<int>(::syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK))};
    bool is_there_ = false;
};

} // namespace

TEST_CASE("a disk that hangs is known to be silent, until it answers") {
    const DiskFile disk(8 * page);
    struct statfs system{};
    REQUIRE(::fstatfs(disk.file.get(), &system) == 0);
    if (system.f_type == TMPFS_MAGIC) {
        SKIP("what is in memory anyway is written at once, by no worker");
    }
    BlockRig rig(disk.backend());
    const auto now = [] { return Reactor::Clock::now(); };
    CHECK_FALSE(rig.device.backend_silence(now()));

    const auto buffer = rig.ram.allocate(page, page);
    const WaitedPage waited(rig.ram.at(buffer));
    if (!waited.is_there()) {
        SKIP("this kernel lets nobody wait for the page faults of its system calls");
    }
    auto chain = rig.request(RequestType::out, 8);
    chain.at(buffer, page, 0).writable(1).add();
    const auto begin = now();
    rig.driver.kick(0);
    REQUIRE(kit::eventually([&] { return waited.is_awaited(); }));

    // The owner goes on, and can tell how long it has been.
    const auto silence = rig.device.backend_silence(begin + 10s);
    REQUIRE(silence);
    CHECK(*silence <= 10s);
    CHECK(*silence > 5s);
    auto read = rig.request(RequestType::get_id, 0).writable(20).writable(1);
    read.add();
    rig.driver.kick(0);
    REQUIRE(kit::eventually([&] { return rig.queue.has_used(); })); // that one needs no image
    CHECK(rig.device.backend_silence(now()));

    waited.give();
    // What a driver may read it hears of by the used ring.
    for (int done = 0; done < 2; ++done) {
        REQUIRE(kit::eventually([&] { return rig.queue.take_used().has_value(); }));
    }
    CHECK(kit::eventually([&] { return !rig.device.backend_silence(now()); }));
    CHECK(BlockRig::status(chain, 0) == RequestStatus::ok);
    CHECK(disk.bytes(page, page) == filled(page, 0));
}

} // namespace block_stall_test
