// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace hvisor::kit {

/// A guest that changes its memory while a device copies from it is a data
/// race by intent; ThreadSanitizer cannot be told that it is allowed there.
#if defined(__SANITIZE_THREAD__)
inline constexpr bool has_thread_sanitizer = true;
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
inline constexpr bool has_thread_sanitizer = true;
#else
inline constexpr bool has_thread_sanitizer = false;
#endif
#else
inline constexpr bool has_thread_sanitizer = false;
#endif

} // namespace hvisor::kit
