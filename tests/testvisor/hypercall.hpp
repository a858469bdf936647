// SPDX-License-Identifier: Apache-2.0
//
// `hvc`, whatever its immediate: the hypercalls of the hvisor interface,
// section 2, and the debug hypercall.
#pragma once

#include <cstdint>

namespace testvisor {

std::int64_t hypercall(std::uint64_t code, std::uint64_t a, std::uint64_t b);

} // namespace testvisor
