// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/fd_store.hpp"
#include "base/state_memory.hpp"
#include "base/unique_fd.hpp"

#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace hvisor::zone {

// What a device keeps for a process after this one.
inline constexpr const char* kept_disk = "disk";
inline constexpr const char* kept_tap = "tap";
inline constexpr const char* kept_card = "card";
inline constexpr const char* kept_lease = "lease";

/// The open files of one device that outlive the process: in the FdStore under names
/// that begin with the device's key, as long as this object lives, or until forget(). A
/// process that ends without destroying it leaves them to the next. Any thread.
class KeptFiles {
  public:
    /// `key` is what a process before this one has kept files by; "" for a new device.
    KeptFiles(FdStore& store, std::string key);
    KeptFiles(const KeptFiles&) = delete;
    KeptFiles& operator=(const KeptFiles&) = delete;
    KeptFiles(KeptFiles&&) = delete;
    KeptFiles& operator=(KeptFiles&&) = delete;
    ~KeptFiles() { forget(); }

    /// A file's name in the FdStore, of the device with that key.
    [[nodiscard]] static std::string name_of(const std::string& key, const std::string& what) {
        return key + "." + what;
    }

    /// No other device on this machine has it, until the machine is started again.
    [[nodiscard]] const std::string& key() const { return key_; }
    /// A process before this one has had the device.
    [[nodiscard]] bool is_continued() const { return is_continued_; }

    /// Memory for what the device remembers of its driver; what was there, where it is
    /// of use, else something that no device takes for its own. `name` is for messages,
    /// `size` is DeviceModel::memory_size.
    [[nodiscard]] std::shared_ptr<const StateMemory> memory(const std::string& name,
                                                            std::size_t size = StateMemory::default_size);

    /// `what`: "disk", "tap.0". In the place of the one that was kept so, if there is one.
    void keep(const std::string& what, int fd);
    /// Something is, or was by a process before this one and has been taken.
    [[nodiscard]] bool has(const std::string& what);
    /// It is kept no longer; false when it was not.
    bool drop(const std::string& what);
    /// The same of "WHAT.", followed by anything.
    bool drop_all(const std::string& what);
    /// See FdStore.
    void settle() const { store_.settle(); }
    /// What was kept so by a process before this one, once; -1 when nothing was.
    [[nodiscard]] UniqueFd take(const std::string& what);
    /// The same of "WHAT.0", "WHAT.1" and so on.
    [[nodiscard]] std::vector<UniqueFd> take_all(const std::string& what);
    struct Named {
        std::string rest;
        UniqueFd file;
    };
    /// The same of "WHAT.", followed by anything.
    [[nodiscard]] std::optional<Named> take_one_of(const std::string& what);
    /// The device is gone: nothing is kept from now on.
    void forget();

  private:
    FdStore& store_;
    const bool is_continued_;
    const std::string key_;
    std::mutex lock_;
    std::set<std::string> names_; ///< under lock_
    bool is_forgotten_ = false;   ///< under lock_
};

/// A key that nothing has had since the machine was started.
[[nodiscard]] std::string fresh_key();

} // namespace hvisor::zone
