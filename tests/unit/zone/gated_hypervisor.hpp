// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "hypervisor/simulated.hpp"

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <future>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>

namespace hvisor::zone::test {

/// A Simulated hypervisor whose calls can be made to fail or to wait.
class GatedHypervisor final : public hypervisor::Hypervisor {
  public:
    explicit GatedHypervisor(hypervisor::SimulatedOptions options = {}) : real_(options) {}

    [[nodiscard]] hypervisor::Simulated& real() { return real_; }

    std::optional<Error> fail_map;
    std::optional<Error> fail_load;
    std::optional<Error> fail_start;
    std::optional<Error> fail_shutdown;
    std::optional<std::size_t> fail_at; ///< the call, counted from 0, that fails whatever it is
    std::string failed_call;            ///< what it was; "" when it has not come
    std::function<void()> before_load;  ///< called by each load(), if set

    /// From now on start_zone() and shutdown_zone() wait for open_gate().
    void close_gate() { set_gate(false); }
    void open_gate() { set_gate(true); }
    /// Returns when a call waits at the gate.
    void wait_for_caller() {
        std::unique_lock guard(lock_);
        changed_.wait(guard, [this] { return is_waiting_; });
    }

    [[nodiscard]] Result<std::uint64_t> config_magic() override {
        return fails("config_magic") ? refusal() : real_.config_magic();
    }
    [[nodiscard]] Result<std::vector<hypervisor::ZoneInfo>> list_zones() override {
        return fails("list_zones") ? refusal() : real_.list_zones();
    }
    [[nodiscard]] Result<void> load(std::uint64_t address, std::span<const std::byte> bytes) override {
        if (before_load) {
            before_load();
        }
        if (fails("load")) {
            return refusal();
        }
        return fail_load ? std::unexpected(*fail_load) : real_.load(address, bytes);
    }
    [[nodiscard]] Result<void> clear(std::uint64_t address, std::uint64_t size) override {
        if (fails("clear")) {
            return refusal();
        }
        return fail_load ? std::unexpected(*fail_load) : real_.clear(address, size);
    }
    [[nodiscard]] Result<void> start_zone(std::span<const std::byte> config) override {
        pass_gate();
        if (fails("start_zone")) {
            return refusal();
        }
        return fail_start ? std::unexpected(*fail_start) : real_.start_zone(config);
    }
    [[nodiscard]] Result<void> shutdown_zone(std::uint32_t id) override {
        pass_gate();
        return fail_shutdown ? std::unexpected(*fail_shutdown) : real_.shutdown_zone(id);
    }
    [[nodiscard]] Result<Mapping> map_ram(std::uint64_t address, std::uint64_t size) override {
        if (fails("map_ram")) {
            return refusal();
        }
        return fail_map ? std::unexpected(*fail_map) : real_.map_ram(address, size);
    }
    [[nodiscard]] hypervisor::BridgePage& bridge_page() override { return real_.bridge_page(); }
    [[nodiscard]] int wakeup_fd() const override { return real_.wakeup_fd(); }
    void finish_requests() override { real_.finish_requests(); }

  private:
    bool fails(const char* call) {
        if (!fail_at || (*fail_at)-- != 0) {
            return false;
        }
        fail_at.reset();
        failed_call = call;
        return true;
    }
    static std::unexpected<Error> refusal() {
        return std::unexpected(Error{ErrorCode::io_error, "the call failed"});
    }
    void set_gate(bool is_open) {
        const std::scoped_lock guard(lock_);
        is_open_ = is_open;
        changed_.notify_all();
    }
    void pass_gate() {
        std::unique_lock guard(lock_);
        is_waiting_ = true;
        changed_.notify_all();
        changed_.wait(guard, [this] { return is_open_; });
        is_waiting_ = false;
    }

    hypervisor::Simulated real_;
    std::mutex lock_;
    std::condition_variable changed_;
    bool is_open_ = true;
    bool is_waiting_ = false;
};

/// What another thread does, and is kept from by the gate while this lives. Its
/// result is for the test to look at: Catch2 takes assertions from one thread.
template <class Work>
class AtTheGate {
  public:
    AtTheGate(GatedHypervisor& hypervisor, Work work) : hypervisor_(hypervisor) {
        hypervisor_.close_gate();
        result_ = std::async(std::launch::async, std::move(work));
        hypervisor_.wait_for_caller();
    }
    AtTheGate(const AtTheGate&) = delete;
    AtTheGate& operator=(const AtTheGate&) = delete;
    AtTheGate(AtTheGate&&) = delete;
    AtTheGate& operator=(AtTheGate&&) = delete;
    ~AtTheGate() { hypervisor_.open_gate(); }

    /// Open the gate; what the work returns.
    [[nodiscard]] std::invoke_result_t<Work> finish() {
        hypervisor_.open_gate();
        return result_.get();
    }

  private:
    GatedHypervisor& hypervisor_;
    std::future<std::invoke_result_t<Work>> result_;
};

} // namespace hvisor::zone::test
