// SPDX-License-Identifier: Apache-2.0
#include "devices/console/history.hpp"

#include <algorithm>

namespace hvisor::devices::console {

std::span<std::byte> History::room() {
    const auto at = end() % capacity;
    return {bytes_.data() + at, capacity - at};
}

std::array<iovec, 2> History::from(std::uint64_t position) const {
    const auto length = static_cast<std::size_t>(end() - position);
    const auto at = position % capacity;
    const auto first = std::min(length, capacity - at);
    auto* bytes = const_cast<std::byte*>(bytes_.data()); // for system calls that only read
    return {{{.iov_base = bytes + at, .iov_len = first}, {.iov_base = bytes, .iov_len = length - first}}};
}

} // namespace hvisor::devices::console
