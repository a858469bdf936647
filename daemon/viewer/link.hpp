// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/packet.hpp"
#include "base/unique_fd.hpp"
#include "viewer/messages.hpp"

#include <array>
#include <cstddef>
#include <cstring>
#include <optional>
#include <span>
#include <variant>

namespace hvisor::viewer {

/// A message that came, whole and not yet judged.
class Received {
  public:
    Received(Kind kind, std::span<const std::byte> payload, UniqueFd file)
        : kind_(kind), payload_(payload), file_(std::move(file)) {}

    [[nodiscard]] Kind kind() const { return kind_; }
    /// Its payload; nothing when it has another length than that.
    template <Message T>
    [[nodiscard]] std::optional<T> as() const {
        constexpr std::size_t size = std::is_empty_v<T> ? 0 : sizeof(T);
        if (kind_ != T::kind || payload_.size() != size) {
            return std::nullopt;
        }
        T message{};
        if constexpr (size != 0) {
            std::memcpy(&message, payload_.data(), size);
        }
        return message;
    }
    /// The file that came with it; none otherwise. Once.
    [[nodiscard]] UniqueFd take_file() { return std::move(file_); }

  private:
    Kind kind_;
    std::span<const std::byte> payload_; ///< of the link's, until it receives again
    UniqueFd file_;
};

using hvisor::Gone;
using hvisor::Nothing;
using hvisor::Sent;

/// One end of a SOCK_SEQPACKET socket that carries messages. Never blocks.
class Link {
  public:
    explicit Link(UniqueFd socket) : socket_(std::move(socket)) {}

    [[nodiscard]] int fd() const { return socket_.get(); }

    /// `file` -1: none goes with it.
    template <Message T>
    [[nodiscard]] Sent send(const T& message, int file = -1) {
        return send(T::kind,
                    std::is_empty_v<T> ? std::span<const std::byte>() : std::as_bytes(std::span(&message, 1)),
                    file);
    }
    [[nodiscard]] std::variant<Received, Nothing, Gone> receive();

  private:
    [[nodiscard]] Sent send(Kind kind, std::span<const std::byte> payload, int file);

    UniqueFd socket_;
    std::array<std::byte, sizeof(Kind) + sizeof(Cursor)> buffer_{}; ///< of the largest
};

} // namespace hvisor::viewer
