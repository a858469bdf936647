// SPDX-License-Identifier: Apache-2.0
#include "devices/console/typed_input.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <fcntl.h>
#include <format>
#include <unistd.h>
#include <utility>

namespace hvisor::devices::console {

TypedInput::TypedInput(UniqueFd pipe, TypedState& state, int file, std::int64_t offset)
    : pipe_(std::move(pipe)),
      state_(state),
      file_(file),
      begin_(offset + static_cast<std::int64_t>(offsetof(TypedState, bytes))) {}

UniqueFd TypedInput::open_pipe() {
    std::array<int, 2> ends{-1, -1};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
        return {};
    }
    const UniqueFd reader(ends[0]);
    const UniqueFd writer(ends[1]);
    return UniqueFd(
        ::open(std::format("/proc/self/fd/{}", reader.get()).c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
}

std::uint32_t TypedInput::filled() const {
    const auto end = begin_ + static_cast<std::int64_t>(TypedState::capacity);
    return state_.at > begin_ && state_.at <= end ? static_cast<std::uint32_t>(state_.at - begin_) : 0;
}

/// From the pipe. Two stores begin it anew; between them it is empty, too.
bool TypedInput::fetch() {
    state_.at = begin_;
    keep_order();
    state_.taken.commit(0);
    const auto count =
        ::splice(pipe_.get(), nullptr, file_, &state_.at, TypedState::capacity, SPLICE_F_NONBLOCK);
    may_be_piped_ = count > 0;
    return may_be_piped_;
}

bool TypedInput::fill(int typist) {
    if (may_be_piped_ && fetch()) {
        return true;
    }
    if (typist < 0) {
        errno = EAGAIN;
        return false;
    }
    const auto count =
        ::splice(typist, nullptr, pipe_.get(), nullptr, TypedState::capacity, SPLICE_F_NONBLOCK);
    if (count == 0) {
        errno = EIO;
    }
    return count > 0 && fetch();
}

std::span<const std::byte> TypedInput::take(std::uint64_t chain, std::size_t most) {
    if (!is_for(chain)) {
        state_.from.set(state_.taken.get());
        state_.chain.commit(chain);
    }
    const auto from = std::min(state_.from.get(), filled());
    const auto again = state_.taken.get() > from ? state_.taken.get() - from : filled() - from;
    const auto length = std::min({std::size_t{again}, std::size_t{filled() - from}, most});
    state_.taken.commit(from + static_cast<std::uint32_t>(length));
    return std::span(state_.bytes).subspan(from, length);
}

} // namespace hvisor::devices::console
