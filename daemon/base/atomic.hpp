// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <type_traits>

// Atomic access to plain memory: pages shared with a hypervisor or a guest, and
// device state that has to stay plain bytes so that it can be saved and mapped
// again (std::atomic is not copyable, std::atomic_ref not for const).
namespace hvisor {

template <class T>
concept Atomic = std::is_integral_v<T> && sizeof(T) <= 8;

template <Atomic T>
[[nodiscard]] T load_relaxed(const T& from) {
    return __atomic_load_n(&from, __ATOMIC_RELAXED);
}
template <Atomic T>
[[nodiscard]] T load_acquire(const T& from) {
    return __atomic_load_n(&from, __ATOMIC_ACQUIRE);
}
template <Atomic T>
void store_relaxed(T& to, std::type_identity_t<T> value) {
    __atomic_store_n(&to, value, __ATOMIC_RELAXED);
}
template <Atomic T>
void store_release(T& to, std::type_identity_t<T> value) {
    __atomic_store_n(&to, value, __ATOMIC_RELEASE);
}

template <Atomic T>
T fetch_or(T& value, std::type_identity_t<T> bits) {
    return __atomic_fetch_or(&value, bits, __ATOMIC_SEQ_CST);
}
template <Atomic T>
T fetch_and(T& value, std::type_identity_t<T> bits) {
    return __atomic_fetch_and(&value, bits, __ATOMIC_SEQ_CST);
}
template <Atomic T>
T fetch_add(T& value, std::type_identity_t<T> more) {
    return __atomic_fetch_add(&value, more, __ATOMIC_SEQ_CST);
}
template <Atomic T>
T exchange(T& value, std::type_identity_t<T> next) {
    return __atomic_exchange_n(&value, next, __ATOMIC_SEQ_CST);
}

/// What this thread stored before is in memory before what it stores behind, for
/// whoever looks after this process was killed in between. That is the order of
/// the program once the compiler keeps it: a CPU ends a thread between two
/// instructions, and everything up to there has happened.
inline void keep_order() {
    std::atomic_signal_fence(std::memory_order_seq_cst);
}

/// Have the cache line of `what` come to this CPU, to be written soon: a hint. A
/// line that another CPU has used takes as long to come as hundreds of
/// instructions do.
inline void prefetch_for_write(const void* what) {
#if defined(__x86_64__)
    // The compiler's own would only be for reading: not every x86 can do more.
    // Those that cannot take this one for nothing.
    asm volatile("prefetchw %0" ::"m"(*static_cast<const char*>(what)));
#else
    __builtin_prefetch(what, 1);
#endif
}

/// A value that one thread writes and others may look at, as plain bytes.
template <Atomic T>
class Watched {
  public:
    constexpr Watched() = default;
    constexpr explicit Watched(T value) : value_(value) {}

    [[nodiscard]] T get() const { return load_relaxed(value_); }
    void set(T value) { store_relaxed(value_, value); }
    /// The store that makes valid what was stored before: see keep_order().
    void commit(T value) {
        keep_order();
        set(value);
        keep_order();
    }
    /// Only for the one thread that writes.
    void add(T value) { set(static_cast<T>(get() + value)); }

  private:
    T value_{};
};

} // namespace hvisor
