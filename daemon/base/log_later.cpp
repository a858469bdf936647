// SPDX-License-Identifier: Apache-2.0
#include "base/log.hpp"
#include "base/thread.hpp"

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <format>
#include <mutex>
#include <thread>

namespace hvisor::log {
namespace {

/// More than every device of a full board may say at once.
constexpr std::size_t max_waiting = 1024;

class LaterWriter {
  public:
    LaterWriter() = default;
    LaterWriter(const LaterWriter&) = delete;
    LaterWriter& operator=(const LaterWriter&) = delete;
    LaterWriter(LaterWriter&&) = delete;
    LaterWriter& operator=(LaterWriter&&) = delete;
    ~LaterWriter() {
        {
            const std::scoped_lock guard(lock_);
            stop_ = true;
        }
        changed_.notify_all();
        if (thread_.joinable()) {
            thread_.join();
        }
    }

    void add(Level level, Fields fields, std::string message) {
        const std::scoped_lock guard(lock_);
        if (waiting_.size() >= max_waiting) {
            ++dropped_;
            return;
        }
        waiting_.push_back({level, std::move(fields), std::move(message)});
        if (!thread_.joinable()) {
            thread_ = spawn_thread({.name = "log", .cpus = {}, .on_crash = [] {}}, [this] { run(); });
        }
        changed_.notify_all();
    }

    void flush() {
        std::unique_lock guard(lock_);
        changed_.wait(guard, [this] { return waiting_.empty() && !busy_; });
    }

  private:
    struct Message {
        Level level;
        Fields fields;
        std::string text;
    };

    void run() {
        std::unique_lock guard(lock_);
        for (;;) {
            changed_.wait(guard, [this] { return stop_ || !waiting_.empty(); });
            if (waiting_.empty()) {
                return;
            }
            const auto message = std::move(waiting_.front());
            waiting_.pop_front();
            const auto dropped = std::exchange(dropped_, 0);
            busy_ = true;
            guard.unlock();
            write(message.level, message.fields, message.text);
            if (dropped != 0) {
                write(Level::warning, {}, std::format("{} messages lost: the log is too slow", dropped));
            }
            guard.lock();
            busy_ = false;
            changed_.notify_all();
        }
    }

    std::mutex lock_;
    std::condition_variable changed_;
    std::deque<Message> waiting_;
    std::size_t dropped_ = 0;
    bool busy_ = false;
    bool stop_ = false;
    std::jthread thread_;
};

LaterWriter& later() {
    static LaterWriter writer;
    return writer;
}

} // namespace

void write_later(Level level, Fields fields, std::string message) {
    later().add(level, std::move(fields), std::move(message));
}

void flush() {
    later().flush();
}

} // namespace hvisor::log
