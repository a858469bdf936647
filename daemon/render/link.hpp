// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/packet.hpp"
#include "base/unique_fd.hpp"
#include "render/messages.hpp"

#include <array>
#include <cstddef>
#include <cstring>
#include <optional>
#include <span>
#include <utility>
#include <variant>
#include <vector>

namespace hvisor::render {

using hvisor::Gone;
using hvisor::Nothing;
using hvisor::Sent;

/// A message as it is sent.
template <Message T>
[[nodiscard]] std::vector<std::byte> encode(const T& message, std::span<const std::byte> more = {}) {
    constexpr auto kind = T::kind;
    std::vector<std::byte> bytes(sizeof kind + sizeof message + more.size());
    std::memcpy(bytes.data(), &kind, sizeof kind);
    std::memcpy(bytes.data() + sizeof kind, &message, sizeof message);
    if (!more.empty()) {
        std::memcpy(bytes.data() + sizeof kind + sizeof message, more.data(), more.size());
    }
    return bytes;
}

/// A message that came, whole and not yet judged.
class Received {
  public:
    Received(Kind kind, std::span<const std::byte> payload, UniqueFd file)
        : kind_(kind), payload_(payload), file_(std::move(file)) {}

    [[nodiscard]] Kind kind() const { return kind_; }
    /// Its payload; nothing when it is another message, or has another length than that.
    template <Message T>
    [[nodiscard]] std::optional<T> as() const {
        return payload_.size() == sizeof(T) ? begin<T>() : std::nullopt;
    }
    /// The same of one that has more bytes behind it, see more().
    template <Message T>
    [[nodiscard]] std::optional<T> begin() const {
        if (kind_ != T::kind || payload_.size() < sizeof(T)) {
            return std::nullopt;
        }
        T message{};
        std::memcpy(&message, payload_.data(), sizeof(T));
        return message;
    }
    /// What is behind a T; of the link's, until it receives again.
    template <Message T>
    [[nodiscard]] std::span<const std::byte> more() const {
        return payload_.subspan(sizeof(T));
    }
    /// The file that came with it; none otherwise. Once.
    [[nodiscard]] UniqueFd take_file() { return std::move(file_); }

  private:
    Kind kind_;
    std::span<const std::byte> payload_;
    UniqueFd file_;
};

/// One end of a SOCK_SEQPACKET socket that carries messages. Never blocks.
class Link {
  public:
    explicit Link(UniqueFd socket) : socket_(std::move(socket)) {}

    [[nodiscard]] int fd() const { return socket_.get(); }

    /// What encode() made; `file` -1: none goes with it.
    [[nodiscard]] Sent send(std::span<const std::byte> message, int file = -1);
    [[nodiscard]] std::variant<Received, Nothing, Gone> receive();

  private:
    UniqueFd socket_;
    std::array<std::byte, sizeof(Kind) + max_payload> buffer_{};
};

} // namespace hvisor::render
