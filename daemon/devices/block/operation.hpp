// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <sys/uio.h>
#include <vector>

namespace hvisor::devices::block {

class Request;

/// One thing to do with an image, as large as one system call. Offsets and
/// lengths are bytes.
struct Operation {
    enum class Kind { read, write, flush, discard, write_zeroes };

    Kind kind = Kind::read;
    bool durable = false;   ///< write: on stable storage when it is done
    bool may_unmap = false; ///< write_zeroes: the range need not stay allocated
    std::uint64_t offset = 0;
    std::uint64_t length = 0;
    std::vector<iovec> pieces;  ///< read and write: `length` bytes, at most IOV_MAX pieces
    std::int64_t result = 0;    ///< bytes done, which may be fewer, or a negative errno
    Request* request = nullptr; ///< whose it is
};

/// Carries out operations that may block, off the thread that asks for them.
/// All calls, and all callbacks, on the owner thread of the device.
class Engine {
  public:
    struct Callbacks {
        std::function<void()> ready;          ///< there may be something to reap()
        std::function<void(Operation&)> done; ///< from reap(), or from submit() on failure
    };

    Engine() = default;
    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;
    Engine(Engine&&) = delete;
    Engine& operator=(Engine&&) = delete;
    /// No operation is in flight any more.
    virtual ~Engine() = default;

    /// Begin with it at the next flush() at the latest. It stays where it is
    /// until it is done.
    virtual void submit(Operation& operation) = 0;
    virtual void flush() = 0;
    /// Hand over everything that is done.
    virtual void reap() = 0;
};

} // namespace hvisor::devices::block
