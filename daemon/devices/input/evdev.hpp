// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "base/rate_limit.hpp"
#include "base/reactor.hpp"
#include "devices/input/backend.hpp"
#include "devices/input/evdev_file.hpp"

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace hvisor::devices::input {

struct EvdevSettings {
    std::string path;    ///< "/dev/input/event3", or a link that udev makes
    bool grab = true;    ///< nobody else hears of it while a zone uses it
    log::Fields about{}; ///< for messages
};

/// A keyboard or pointer of the root zone (Linux's evdev). Everything that is
/// asked of the kernel may wait for the device, so it has a thread of its own.
///
/// One that is unplugged is not missed by anybody but its user: what was down goes
/// up, and once a second it is looked for at the same path.
class EvdevBackend final : public Backend {
  public:
    [[nodiscard]] static Result<std::unique_ptr<EvdevBackend>> open(EvdevSettings settings,
                                                                    OpenEvdev opener = open_evdev_file);
    EvdevBackend(const EvdevBackend&) = delete;
    EvdevBackend& operator=(const EvdevBackend&) = delete;
    EvdevBackend(EvdevBackend&&) = delete;
    EvdevBackend& operator=(EvdevBackend&&) = delete;
    ~EvdevBackend() override;

    /// As it was when it was opened; the guest is told no other.
    [[nodiscard]] const Capabilities& capabilities() const { return capabilities_; }

    void connect(Sink sink) override { sink_ = std::move(sink); }
    void begin() override;
    void end() override;
    void release() override;
    void set(const Event& status) override;
    [[nodiscard]] std::string name() const override { return settings_.path; }

    static constexpr std::chrono::milliseconds look_time{1000}; ///< for one that was unplugged

  private:
    EvdevBackend(EvdevSettings settings, OpenEvdev opener, std::unique_ptr<EvdevFile> file,
                 Capabilities capabilities, std::unique_ptr<Reactor> reactor);

    // On the thread:
    void update();
    void start();
    [[nodiscard]] bool reopen();
    [[nodiscard]] bool take_grab();
    void stop();
    void lose();
    void read(std::uint32_t events);
    void take(const Event& event);
    void write_status();
    void look_again(Reactor::Clock::duration soon);

    const EvdevSettings settings_;
    const OpenEvdev opener_;
    const Capabilities capabilities_;
    Sink sink_;
    RateLimit limit_;
    std::atomic<bool> is_wanted_{false}; ///< by a driver

    std::mutex lock_;
    std::map<std::pair<EventType, std::uint16_t>, std::int32_t> status_; ///< under lock_, what was set()
    bool is_status_new_ = false;                                         ///< the same

    // The thread's
    std::unique_ptr<EvdevFile> file_; ///< null while there is none
    bool is_watched_ = false;
    bool is_missed_ = false;     ///< it was said that there is none
    bool is_taken_ = false;      ///< the same, that somebody else has grabbed it
    unsigned waits_ = 0;         ///< how often it has been waited for keys to go up
    std::vector<Event> group_;   ///< since the last report
    bool is_group_lost_ = false; ///< until the next one
    std::unique_ptr<Reactor> reactor_;
    Reactor::Timer retry_;
    Reactor::Waker waker_;
};

} // namespace hvisor::devices::input
