// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "devices/input/evdev_file.hpp"

#include <algorithm>
#include <array>
#include <bitset>
#include <cerrno>
#include <cstring>
#include <linux/input.h>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace hvisor::kit {

/// A keyboard or pointer of the kernel, for machines without one: what evdev
/// says of it, and a socket for its events. It can be pulled out and plugged in.
class FakeEvdev : public std::enable_shared_from_this<FakeEvdev> {
  public:
    using Codes = std::bitset<devices::input::max_codes>;

    /// What opens it, as long as it is plugged in.
    [[nodiscard]] devices::input::OpenEvdev opener() {
        return [self = shared_from_this()](const std::string& path) { return self->open(path); };
    }

    // What it is; before it is opened.
    std::string name = "Fake Keyboard";
    std::string serial = "F-1";
    std::map<unsigned, Codes> codes; ///< by type
    Codes properties;
    std::map<unsigned, input_absinfo> axes;
    bool repeats = false;

    /// Something happens, with the report at its end.
    void happen(std::vector<devices::input::Event> events) {
        events.push_back(devices::input::report);
        send(events);
    }
    void send(const std::vector<devices::input::Event>& events) {
        const std::scoped_lock guard(lock_);
        for (const auto& event : events) {
            input_event kernel{};
            kernel.type = std::to_underlying(event.type);
            kernel.code = event.code;
            kernel.value = event.value;
            static_cast<void>(::send(user_.get(), &kernel, sizeof kernel, MSG_NOSIGNAL));
            if (event.type == devices::input::EventType::key) {
                keys_.set(event.code, event.value != 0);
            }
        }
    }
    /// Only as its state says, without an event.
    void set_key(std::uint16_t code, bool is_down) {
        const std::scoped_lock guard(lock_);
        keys_.set(code, is_down);
    }
    void set_contacts(std::vector<std::int32_t> ids) {
        const std::scoped_lock guard(lock_);
        contacts_ = std::move(ids);
    }
    void unplug() {
        const std::scoped_lock guard(lock_);
        is_plugged_ = false;
        user_.reset();
        is_grabbed_ = false;
    }
    void plug() {
        const std::scoped_lock guard(lock_);
        is_plugged_ = true;
        keys_.reset();
    }
    /// Somebody else has it for himself.
    void take_away(bool is_taken) {
        const std::scoped_lock guard(lock_);
        is_taken_ = is_taken;
    }

    [[nodiscard]] bool is_grabbed() const {
        const std::scoped_lock guard(lock_);
        return is_grabbed_;
    }
    [[nodiscard]] unsigned opened() const {
        const std::scoped_lock guard(lock_);
        return opened_;
    }
    /// The latest values of what was written to it.
    [[nodiscard]] std::map<std::pair<unsigned, unsigned>, std::int32_t> written() {
        const std::scoped_lock guard(lock_);
        input_event kernel{};
        while (user_ && ::recv(user_.get(), &kernel, sizeof kernel, MSG_DONTWAIT) ==
                            static_cast<ssize_t>(sizeof kernel)) {
            written_[{kernel.type, kernel.code}] = kernel.value;
        }
        return written_;
    }

  private:
    class File final : public devices::input::EvdevFile {
      public:
        File(std::shared_ptr<FakeEvdev> device, UniqueFd fd)
            : device_(std::move(device)), fd_(std::move(fd)) {}
        File(const File&) = delete;
        File& operator=(const File&) = delete;
        File(File&&) = delete;
        File& operator=(File&&) = delete;
        ~File() override { device_->close(); }
        [[nodiscard]] int fd() const override { return fd_.get(); }
        int call(unsigned long request, void* argument) override { return device_->call(request, argument); }

      private:
        std::shared_ptr<FakeEvdev> device_;
        UniqueFd fd_;
    };

    Result<std::unique_ptr<devices::input::EvdevFile>> open(const std::string& path) {
        const std::scoped_lock guard(lock_);
        std::array<int, 2> pair{};
        if (!is_plugged_) {
            return fail(ErrorCode::not_found, "{}: No such file or directory", path);
        }
        if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair.data()) != 0) {
            return fail(ErrorCode::failed, "no socket");
        }
        user_.reset(pair[0]);
        ++opened_;
        return std::make_unique<File>(shared_from_this(), UniqueFd(pair[1]));
    }
    void close() {
        const std::scoped_lock guard(lock_);
        is_grabbed_ = false;
    }

    static int fill(void* to, std::size_t size, std::span<const std::byte> from) {
        const auto count = std::min(size, from.size());
        std::memcpy(to, from.data(), count);
        return static_cast<int>(count);
    }
    static int fill(void* to, std::size_t size, std::string_view text) {
        return fill(to, size, std::as_bytes(std::span(text.data(), text.size() + 1)));
    }
    static int fill(void* to, std::size_t size, const Codes& bits) {
        std::array<std::byte, devices::input::max_codes / 8> bytes{};
        for (std::size_t i = 0; i < bits.size(); ++i) {
            bytes.at(i / 8) |= std::byte{bits.test(i)} << (i % 8);
        }
        return fill(to, size, bytes);
    }

    int refuse(int error) {
        errno = error;
        return -1;
    }

    int call(unsigned long request, void* argument) {
        const std::scoped_lock guard(lock_);
        if (!is_plugged_) {
            return refuse(ENODEV);
        }
        const auto number = static_cast<unsigned>(_IOC_NR(request));
        const std::size_t size = _IOC_SIZE(request);
        if (number == _IOC_NR(EVIOCGID)) {
            const input_id id{.bustype = BUS_USB, .vendor = 0x46d, .product = 0xc31c, .version = 0x110};
            return fill(argument, size, std::as_bytes(std::span(&id, 1)));
        }
        if (number == _IOC_NR(EVIOCGNAME(0))) {
            return fill(argument, size, name);
        }
        if (number == _IOC_NR(EVIOCGUNIQ(0))) {
            return serial.empty() ? refuse(ENOENT) : fill(argument, size, serial);
        }
        if (number == _IOC_NR(EVIOCGPROP(0))) {
            return fill(argument, size, properties);
        }
        if (number == _IOC_NR(EVIOCGKEY(0))) {
            return fill(argument, size, keys_);
        }
        if (number == _IOC_NR(EVIOCGSW(0))) {
            return fill(argument, size, Codes());
        }
        if (number == _IOC_NR(EVIOCGRAB)) {
            return grab(argument != nullptr);
        }
        if (number == _IOC_NR(EVIOCGMTSLOTS(0))) {
            return fill_contacts(argument, size);
        }
        if (number >= 0x20 && number < 0x20 + EV_CNT) {
            return fill_codes(number - 0x20, argument, size);
        }
        if (const auto axis = axes.find(number - 0x40); number >= 0x40 && axis != axes.end()) {
            return fill(argument, size, std::as_bytes(std::span(&axis->second, 1)));
        }
        return refuse(EINVAL);
    }
    int grab(bool wanted) {
        if (wanted && is_taken_) {
            return refuse(EBUSY);
        }
        is_grabbed_ = wanted;
        return 0;
    }
    int fill_contacts(void* argument, std::size_t size) const {
        const auto bytes = std::as_bytes(std::span(contacts_));
        return fill(static_cast<std::byte*>(argument) + sizeof(std::uint32_t), size - sizeof(std::uint32_t),
                    bytes);
    }
    /// As evdev: it has no codes of the type EV_REP.
    int fill_codes(unsigned type, void* argument, std::size_t size) {
        if (type == EV_REP) {
            return refuse(EINVAL);
        }
        Codes bits;
        for (const auto& [one, its] : codes) {
            bits.set(one, type == 0 && its.any());
        }
        bits.set(EV_REP, type == 0 && repeats);
        return fill(argument, size, type == 0 ? bits : codes[type]);
    }

    mutable std::mutex lock_;
    UniqueFd user_; ///< the end of the socket where somebody types
    bool is_plugged_ = true;
    bool is_grabbed_ = false;
    bool is_taken_ = false;
    unsigned opened_ = 0;
    Codes keys_;
    std::vector<std::int32_t> contacts_;
    std::map<std::pair<unsigned, unsigned>, std::int32_t> written_;
};

} // namespace hvisor::kit
