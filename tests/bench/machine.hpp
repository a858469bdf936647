// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <exception>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>

namespace hvisor::bench {

/// A partition shares no CPU: the guest has one, the daemon with all of its
/// helpers the other.
struct Cpus {
    int guest = 0;
    int daemon = 0;
};

/// Nothing with fewer than two CPUs.
[[nodiscard]] std::optional<Cpus> choose_cpus();
/// The calling thread, and every thread that it starts from now on.
void pin_to(int cpu);
/// The same, to both.
void pin_to(const Cpus& cpus);

/// Run `body` on a thread of its own, pinned to `cpu`, a number or Cpus; what it
/// returns or throws comes back.
template <class Cpu, class Body>
auto on_cpu(Cpu cpu, Body body) {
    std::exception_ptr thrown;
    const auto guarded = [&](auto&& run) {
        const std::jthread thread([&] {
            try {
                pin_to(cpu);
                run();
            } catch (...) {
                thrown = std::current_exception();
            }
        });
    };
    if constexpr (std::is_void_v<decltype(body())>) {
        guarded(body);
        if (thrown) {
            std::rethrow_exception(thrown);
        }
    } else {
        std::optional<decltype(body())> result;
        guarded([&] { result.emplace(body()); });
        if (thrown) {
            std::rethrow_exception(thrown);
        }
        return std::move(*result);
    }
}

/// A process that does nothing but take time of a CPU, as long as this exists.
class Hog {
  public:
    explicit Hog(int cpu);
    Hog(const Hog&) = delete;
    Hog& operator=(const Hog&) = delete;
    Hog(Hog&&) = delete;
    Hog& operator=(Hog&&) = delete;
    ~Hog();

  private:
    int process_;
};

/// "tmpfs", "ext4", or the number that the kernel has for it.
[[nodiscard]] std::string file_system_of(const std::string& folder);
/// The machine in words, without its name.
[[nodiscard]] std::string describe_machine();

/// What failed, with the reason of the system.
[[noreturn]] void fail(const std::string& what);

} // namespace hvisor::bench
