// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "base/unique_fd.hpp"
#include "devices/gpu/drm_connector.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace hvisor::devices::gpu {

class DrmCard;

/// A connector of a card with what drives it, for one screen alone: a DRM lease.
/// Several zones have leases of one card without knowing of each other. Its end
/// gives the connector back; with the last lease of a card, the root zone's
/// console comes back.
class DrmLease {
  public:
    DrmLease(const DrmLease&) = delete;
    DrmLease& operator=(const DrmLease&) = delete;
    DrmLease(DrmLease&& other) noexcept = default;
    DrmLease& operator=(DrmLease&&) = delete;
    ~DrmLease();

    [[nodiscard]] int fd() const { return fd_.get(); }
    /// The card's own file, which lends; open as long as this lives.
    [[nodiscard]] int master() const;
    [[nodiscard]] std::uint32_t connector() const { return connector_; }
    [[nodiscard]] std::uint32_t crtc() const { return crtc_; }
    [[nodiscard]] std::uint32_t plane() const { return plane_; }
    /// Of the cursor; 0: there is none.
    [[nodiscard]] std::uint32_t cursor_plane() const { return cursor_plane_; }
    [[nodiscard]] bool is_atomic() const { return is_atomic_; }

  private:
    friend DrmCard;
    DrmLease() = default;

    std::shared_ptr<DrmCard> card_;
    UniqueFd fd_;
    std::uint32_t connector_ = 0;
    std::uint32_t crtc_ = 0;
    std::uint32_t crtc_bit_ = 0;
    std::uint32_t plane_ = 0;
    std::uint32_t cursor_plane_ = 0;
    bool is_atomic_ = false;
};

/// What a process before this one shows on a connector: it stays there as long as this
/// lives, or until something else is shown.
class DrmRemains {
  public:
    DrmRemains(const DrmRemains&) = delete;
    DrmRemains& operator=(const DrmRemains&) = delete;
    DrmRemains(DrmRemains&& other) noexcept = default;
    DrmRemains& operator=(DrmRemains&&) = delete;
    ~DrmRemains();

  private:
    friend DrmCard;
    DrmRemains(std::shared_ptr<DrmCard> card, UniqueFd lease)
        : card_(std::move(card)), lease_(std::move(lease)) {}

    std::shared_ptr<DrmCard> card_;
    UniqueFd lease_;
};

/// One connector for one screen of this daemon, as long as this lives.
class DrmClaim {
  public:
    DrmClaim(const DrmClaim&) = delete;
    DrmClaim& operator=(const DrmClaim&) = delete;
    DrmClaim(DrmClaim&& other) noexcept = default;
    DrmClaim& operator=(DrmClaim&&) = delete;
    ~DrmClaim();

    [[nodiscard]] const std::shared_ptr<DrmCard>& card() const { return card_; }
    /// As it was when it was claimed.
    [[nodiscard]] const Connector& connector() const { return connector_; }

  private:
    friend DrmCard;
    DrmClaim(std::shared_ptr<DrmCard> card, Connector connector)
        : card_(std::move(card)), connector_(std::move(connector)) {}

    std::shared_ptr<DrmCard> card_;
    Connector connector_;
};

/// A graphics card of the root zone, one object for all screens on it. Any thread.
///
/// Its device file is open only while displays are asked and while a lease
/// lives. Only then is this process the card's DRM master: becoming it again
/// later would take a capability, opening an unused card takes none.
class DrmCard : public std::enable_shared_from_this<DrmCard> {
  public:
    /// The names of all, "card0", by number.
    [[nodiscard]] static std::vector<std::string> names();
    /// `card` is "card0" or a path under /dev/dri, by-path/ included.
    [[nodiscard]] static Result<std::shared_ptr<DrmCard>> find(const std::string& card);

    explicit DrmCard(std::string name) : name_(std::move(name)) {}
    [[nodiscard]] const std::string& name() const { return name_; }

    /// What is connected now. Displays are asked, which may take a while. Nothing
    /// for a card that shows nothing by itself.
    [[nodiscard]] Result<std::optional<std::vector<Connector>>> ask();
    [[nodiscard]] Result<Connector> ask(const Connector& connector);

    /// The connector of that name, or the first that is connected and free, for `user`.
    [[nodiscard]] Result<DrmClaim> claim(const std::string& connector, const std::string& user);

    /// `master` and `lease` are those of a process before this one, see DrmInherited. Its
    /// connectors can be lent again, and what it shows there stays. Nothing when the
    /// card has another master by now.
    [[nodiscard]] std::optional<DrmRemains> inherit(UniqueFd master, UniqueFd lease);

    /// `resource_busy` when another program shows something on this card.
    [[nodiscard]] Result<DrmLease> lend(const Connector& connector);

  private:
    friend DrmClaim;
    friend DrmLease;
    friend DrmRemains;
    struct User {
        std::string connector;
        std::string name;
    };

    [[nodiscard]] Result<UniqueFd> open() const;
    /// An open descriptor: the master's, or the one that is put into `other`.
    [[nodiscard]] Result<int> descriptor(UniqueFd& other) const;
    [[nodiscard]] Result<void> become_master();
    [[nodiscard]] Result<DrmLease> make_lease(const Connector& connector);
    void give_back(const DrmLease& lease);
    void leave(); ///< under the lock
    void disclaim(const std::string& connector);

    const std::string name_;
    std::mutex lock_;
    UniqueFd master_;               ///< while there are users
    std::size_t master_users_ = 0;  ///< leases, and what is left of those of another process
    std::uint32_t taken_crtcs_ = 0; ///< a bit for each, by index
    std::vector<std::uint32_t> taken_planes_;
    std::vector<User> users_;
};

} // namespace hvisor::devices::gpu
