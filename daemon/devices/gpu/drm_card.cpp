// SPDX-License-Identifier: Apache-2.0
#include "devices/gpu/drm_card.hpp"

#include "base/errno_text.hpp"
#include "devices/gpu/drm_plane.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <fcntl.h>
#include <filesystem>
#include <map>
#include <span>
#include <system_error>
#include <utility>
#include <xf86drm.h>

namespace hvisor::devices::gpu {
namespace {

constexpr std::string_view folder = "/dev/dri";
constexpr std::string_view prefix = "card";

using LesseesPtr = DrmPtr<drmModeLesseeListRes, drmFree>;

/// The number of "card0"; nothing for other names.
std::optional<unsigned> number_of(std::string_view name) {
    if (!name.starts_with(prefix)) {
        return {};
    }
    name.remove_prefix(prefix.size());
    unsigned number = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
    return error == std::errc{} && end == name.data() + name.size() ? std::optional(number) : std::nullopt;
}

std::string join(const std::vector<std::string>& names) {
    std::string text;
    for (const auto& name : names) {
        text += (text.empty() ? "" : ", ") + name;
    }
    return text.empty() ? "none" : text;
}

} // namespace

DrmLease::~DrmLease() {
    if (card_ != nullptr) {
        fd_.reset();
        card_->give_back(*this);
    }
}

int DrmLease::master() const {
    const std::scoped_lock guard(card_->lock_);
    return card_->master_.get();
}

DrmRemains::~DrmRemains() {
    if (card_ != nullptr) {
        lease_.reset();
        const std::scoped_lock guard(card_->lock_);
        card_->leave();
    }
}

DrmClaim::~DrmClaim() {
    if (card_ != nullptr) {
        card_->disclaim(connector_.name);
    }
}

std::vector<std::string> DrmCard::names() {
    std::map<unsigned, std::string> by_number;
    std::error_code error;
    for (std::filesystem::directory_iterator at(folder, error), end; !error && at != end;
         at.increment(error)) {
        auto name = at->path().filename().string();
        if (const auto number = number_of(name)) {
            by_number.emplace(*number, std::move(name));
        }
    }
    std::vector<std::string> names;
    names.reserve(by_number.size());
    for (auto& [number, name] : by_number) {
        names.push_back(std::move(name));
    }
    return names;
}

Result<std::shared_ptr<DrmCard>> DrmCard::find(const std::string& card) {
    std::error_code error;
    // Nothing else is opened, whatever a file names: opening alone does
    // something to many a device.
    const auto path = std::filesystem::canonical(std::filesystem::path(folder) / card, error);
    if (error || path.parent_path() != folder || !number_of(path.filename().string())) {
        return fail(ErrorCode::not_found, "there is no graphics card {}; {} has {}", card, folder,
                    join(names()));
    }
    static std::mutex lock;
    static std::map<std::string, std::weak_ptr<DrmCard>> cards;
    const std::scoped_lock guard(lock);
    auto& known = cards[path.filename().string()];
    auto found = known.lock();
    if (found == nullptr) {
        found = std::make_shared<DrmCard>(path.filename().string());
        known = found;
    }
    return found;
}

Result<UniqueFd> DrmCard::open() const {
    UniqueFd fd(::open(std::format("{}/{}", folder, name_).c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK));
    if (!fd) {
        return fail(errno == ENOENT ? ErrorCode::not_found : ErrorCode::failed, "cannot open {}/{}: {}",
                    folder, name_, errno_text());
    }
    return fd;
}

Result<int> DrmCard::descriptor(UniqueFd& other) const {
    if (master_) {
        return master_.get();
    }
    auto opened = open();
    if (!opened) {
        return std::unexpected(std::move(opened).error());
    }
    other = std::move(*opened);
    // Who opens a card that nobody is master of becomes it. That is wanted for
    // this moment: for nobody else the kernel looks at what is plugged in.
    return other.get();
}

Result<std::optional<std::vector<Connector>>> DrmCard::ask() {
    const std::scoped_lock guard(lock_);
    UniqueFd own;
    const auto fd = descriptor(own);
    if (!fd) {
        return std::unexpected(fd.error());
    }
    auto connectors = read_connectors(*fd);
    if (connectors) {
        return std::move(*connectors);
    }
    if (connectors.error() == EOPNOTSUPP || connectors.error() == EINVAL) {
        return std::nullopt;
    }
    return fail(ErrorCode::failed, "{}: cannot read its connectors: {}", name_,
                errno_text(connectors.error()));
}

Result<Connector> DrmCard::ask(const Connector& connector) {
    const std::scoped_lock guard(lock_);
    UniqueFd own;
    const auto fd = descriptor(own);
    if (!fd) {
        return std::unexpected(fd.error());
    }
    auto now = read_connector(*fd, connector.id);
    if (!now) {
        return fail(ErrorCode::failed, "{}: {}: cannot read its state: {}", name_, connector.name,
                    errno_text(now.error()));
    }
    return std::move(*now);
}

Result<DrmClaim> DrmCard::claim(const std::string& connector, const std::string& user) {
    const auto connectors = ask();
    if (!connectors) {
        return std::unexpected(connectors.error());
    }
    if (!*connectors) {
        return fail(ErrorCode::not_found, "{}: this card has no connectors: it only computes", name_);
    }
    const std::scoped_lock guard(lock_);
    auto picked = pick_connector(name_, **connectors, connector,
                                 [this](const std::string& name) -> std::optional<std::string> {
                                     const auto found = std::ranges::find(users_, name, &User::connector);
                                     return found != users_.end() ? std::optional(found->name) : std::nullopt;
                                 });
    if (!picked) {
        return std::unexpected(std::move(picked).error());
    }
    users_.push_back({.connector = picked->name, .name = user});
    return DrmClaim(shared_from_this(), std::move(*picked));
}

void DrmCard::disclaim(const std::string& connector) {
    const std::scoped_lock guard(lock_);
    std::erase_if(users_, [&](const User& user) { return user.connector == connector; });
}

std::optional<DrmRemains> DrmCard::inherit(UniqueFd master, UniqueFd lease) {
    const std::scoped_lock guard(lock_);
    // Each screen of the card has kept the same.
    if (!master_) {
        if (drmIsMaster(master.get()) == 0) {
            return std::nullopt;
        }
        // What was lent is free to be lent again. A framebuffer stays on its display, as
        // it belongs to the file of the lease.
        if (const LesseesPtr lessees(drmModeListLessees(master.get())); lessees != nullptr) {
            for (const auto lessee : std::span(lessees->lessees, lessees->count)) {
                drmModeRevokeLease(master.get(), lessee);
            }
        }
        master_ = std::move(master);
    }
    ++master_users_;
    return DrmRemains(shared_from_this(), std::move(lease));
}

Result<DrmLease> DrmCard::lend(const Connector& connector) {
    const std::scoped_lock guard(lock_);
    if (auto done = become_master(); !done) {
        return std::unexpected(std::move(done).error());
    }
    auto lease = make_lease(connector);
    if (!lease && master_users_ == 0) {
        master_.reset();
    }
    return lease;
}

Result<void> DrmCard::become_master() {
    if (master_) {
        return {};
    }
    auto fd = open();
    if (!fd) {
        return std::unexpected(std::move(fd).error());
    }
    if (drmIsMaster(fd->get()) == 0) {
        return fail(ErrorCode::resource_busy,
                    "another program shows something on this card (it is DRM master): stop it (a "
                    "desktop, a splash screen), or give the zone another card");
    }
    // Without them planes cannot be named, nor leased. A cursor plane of a
    // virtual card is only seen by who moves its hot spot, too.
    drmSetClientCap(fd->get(), DRM_CLIENT_CAP_UNIVERSAL_PLANES, 1);
    if (drmSetClientCap(fd->get(), DRM_CLIENT_CAP_ATOMIC, 1) == 0) {
        drmSetClientCap(fd->get(), DRM_CLIENT_CAP_CURSOR_PLANE_HOTSPOT, 1);
    }
    master_ = std::move(*fd);
    return {};
}

Result<DrmLease> DrmCard::make_lease(const Connector& connector) {
    const auto refuse = [](std::string_view what) { return fail(ErrorCode::resource_busy, "{}", what); };
    const auto crtc = find_crtc(master_.get(), connector, taken_crtcs_);
    if (!crtc) {
        return refuse("the card cannot drive one more display: shut down another zone that shows one");
    }
    const auto planes = find_planes(master_.get(), *crtc, taken_planes_);
    if (!planes) {
        return refuse("the card has no plane left for one more picture");
    }
    DrmLease lease;
    lease.connector_ = connector.id;
    lease.crtc_ = crtc->id;
    lease.crtc_bit_ = std::uint32_t{1} << crtc->index;
    lease.plane_ = planes->primary;
    lease.cursor_plane_ = planes->cursor;
    std::vector<std::uint32_t> objects{lease.connector_, lease.crtc_, lease.plane_};
    if (lease.cursor_plane_ != 0) {
        objects.push_back(lease.cursor_plane_);
    }
    std::uint32_t lessee = 0;
    lease.fd_.reset(drmModeCreateLease(master_.get(), objects.data(), static_cast<int>(objects.size()),
                                       O_CLOEXEC | O_NONBLOCK, &lessee));
    if (!lease.fd_) {
        return fail(errno == EBUSY ? ErrorCode::resource_busy : ErrorCode::failed,
                    "the kernel does not lend it: {}", errno_text());
    }
    // A lease begins without the capabilities of who made it.
    drmSetClientCap(lease.fd(), DRM_CLIENT_CAP_UNIVERSAL_PLANES, 1);
    lease.is_atomic_ = drmSetClientCap(lease.fd(), DRM_CLIENT_CAP_ATOMIC, 1) == 0;
    if (lease.is_atomic_) {
        drmSetClientCap(lease.fd(), DRM_CLIENT_CAP_CURSOR_PLANE_HOTSPOT, 1);
    }
    lease.card_ = shared_from_this();
    ++master_users_;
    taken_crtcs_ |= lease.crtc_bit_;
    taken_planes_.insert(taken_planes_.end(), objects.begin() + 2, objects.end());
    return lease;
}

void DrmCard::give_back(const DrmLease& lease) {
    const std::scoped_lock guard(lock_);
    taken_crtcs_ &= ~lease.crtc_bit_;
    std::erase_if(taken_planes_,
                  [&](std::uint32_t plane) { return plane == lease.plane_ || plane == lease.cursor_plane_; });
    leave();
}

void DrmCard::leave() {
    if (--master_users_ == 0) {
        // The last descriptor of the card: the kernel brings its console back.
        master_.reset();
    }
}

} // namespace hvisor::devices::gpu
