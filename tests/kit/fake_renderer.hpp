// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/mapping.hpp"
#include "devices/gpu/renderer.hpp"
#include "kit/wait.hpp"
#include "render/link.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <poll.h>
#include <stdexcept>
#include <string>
#include <sys/mman.h>
#include <sys/socket.h>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

namespace hvisor::kit {

/// hvisor-gpu-render as a test has it: it is ready at once, and then either says what
/// the test says, or, with serve(), keeps textures of four bytes a texel and two
/// dimensions, in a thread of its own. Of a submitted buffer it understands pairs of
/// words: fill this resource with this.
class FakeRenderer {
  public:
    /// A message, with what is behind it and with it.
    template <class T>
    struct Order {
        T message{};
        std::vector<std::byte> more{};
        UniqueFd file{};
    };

    FakeRenderer() = default;
    FakeRenderer(const FakeRenderer&) = delete;
    FakeRenderer& operator=(const FakeRenderer&) = delete;
    FakeRenderer(FakeRenderer&&) = delete;
    FakeRenderer& operator=(FakeRenderer&&) = delete;
    ~FakeRenderer() { stop(); }

    static constexpr std::uint32_t first_size = 308;
    static constexpr std::uint32_t second_size = 1300;
    /// The bytes of a capability set are small numbers.
    [[nodiscard]] static std::vector<std::byte> capset(std::uint32_t id) {
        std::vector<std::byte> bytes(id == 1 ? first_size : second_size);
        for (std::size_t i = 0; i < bytes.size(); ++i) {
            bytes[i] = static_cast<std::byte>((i * id) % 50);
        }
        return bytes;
    }

    /// What a Renderer connects with.
    [[nodiscard]] devices::gpu::RendererSettings settings() {
        return {.connect = [this] { return connect(); }, .name = "linux2"};
    }
    [[nodiscard]] Result<UniqueFd> connect() {
        const std::scoped_lock guard(lock_);
        ++connections_;
        if (is_away) {
            return fail(ErrorCode::io_error, "gpu-render: Connection refused");
        }
        std::array<int, 2> ends{-1, -1};
        if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) != 0) {
            throw std::runtime_error("no socket");
        }
        link_ = std::make_shared<render::Link>(UniqueFd(ends[1]));
        if (!is_mute) {
            introduce(*link_);
        }
        return UniqueFd(ends[0]);
    }
    [[nodiscard]] int connections() {
        const std::scoped_lock guard(lock_);
        return connections_;
    }

    // What a test says:

    /// The next message that is not Hello, which has to be that one.
    template <render::Message T>
    [[nodiscard]] Order<T> take() {
        const auto link = current();
        for (;;) {
            auto received = receive(*link, std::chrono::seconds(10));
            auto* message = std::get_if<render::Received>(&received);
            if (message == nullptr) {
                throw std::runtime_error("no message for the renderer");
            }
            if (message->kind() == render::Kind::hello) {
                continue;
            }
            const auto taken = message->begin<T>();
            if (!taken) {
                throw std::runtime_error("another message: " +
                                         std::to_string(static_cast<unsigned>(message->kind())));
            }
            const auto more = message->more<T>();
            return {.message = *taken, .more = {more.begin(), more.end()}, .file = message->take_file()};
        }
    }
    /// No message comes for a while.
    [[nodiscard]] bool is_quiet() {
        const auto link = current();
        auto received = receive(*link, std::chrono::milliseconds(20));
        auto* message = std::get_if<render::Received>(&received);
        return message == nullptr || message->kind() == render::Kind::hello;
    }
    template <render::Message T>
    void say(const T& message) {
        static_cast<void>(current()->send(render::encode(message)));
    }
    void done(std::uint32_t ticket, int error = 0) { say(render::Done{.ticket = ticket, .error = error}); }
    /// Take one and carry it out.
    template <render::Message T>
    Order<T> accept(int error = 0) {
        auto order = take<T>();
        done(order.message.order.ticket, error);
        return order;
    }
    /// It ends: what it was connected with is closed.
    void die() {
        std::weak_ptr<render::Link> last;
        {
            const std::scoped_lock guard(lock_);
            last = std::exchange(link_, nullptr);
        }
        // serve() may be looking at it.
        while (!last.expired()) {
            std::this_thread::sleep_for(std::chrono::microseconds(100));
        }
    }

    // Or by itself:

    void serve() {
        server_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
    }
    void stop() {
        server_.request_stop();
        if (server_.joinable()) {
            server_.join();
        }
    }
    /// The files of resources that it has now.
    [[nodiscard]] std::size_t resources() {
        const std::scoped_lock guard(lock_);
        return textures_.size();
    }

    std::atomic<bool> is_away = false;    ///< nobody listens
    std::atomic<bool> is_mute = false;    ///< it does not introduce itself
    std::atomic<bool> is_holding = false; ///< of serve(): fences wait

  private:
    struct Texture {
        render::Shape shape{};
        std::vector<std::byte> pixels{};
        Mapping backing{};
        Mapping picture{};
    };

    [[nodiscard]] std::shared_ptr<render::Link> current() {
        const std::scoped_lock guard(lock_);
        if (!link_) {
            throw std::runtime_error("nobody is connected");
        }
        return link_;
    }
    static void introduce(render::Link& link) {
        for (const std::uint32_t id : {1U, 2U}) {
            const auto bytes = capset(id);
            render::CapsetBytes message{
                .id = id, .version = id, .size = static_cast<std::uint32_t>(bytes.size()), .bytes = {}};
            std::ranges::copy(bytes, message.bytes.begin());
            static_cast<void>(link.send(render::encode(message)));
        }
        static_cast<void>(
            link.send(render::encode(render::Ready{.capsets = 2, .name = text_of<FixedText<64>>("fake")})));
    }
    template <class Time>
    static std::variant<render::Received, Nothing, Gone> receive(render::Link& link, Time most) {
        pollfd wait{.fd = link.fd(), .events = POLLIN, .revents = 0};
        const auto limit = std::chrono::duration_cast<std::chrono::milliseconds>(most);
        static_cast<void>(::poll(&wait, 1, static_cast<int>(limit.count())));
        return link.receive();
    }

    void run(const std::stop_token& stop) {
        std::shared_ptr<render::Link> served;
        while (!stop.stop_requested()) {
            std::shared_ptr<render::Link> link;
            {
                const std::scoped_lock guard(lock_);
                link = link_;
                if (link != served) {
                    textures_.clear();
                    fences_.clear();
                    served = link;
                }
            }
            if (!link) {
                std::this_thread::sleep_for(std::chrono::milliseconds(1));
                continue;
            }
            auto received = receive(*link, std::chrono::milliseconds(1));
            if (auto* message = std::get_if<render::Received>(&received)) {
                const std::scoped_lock guard(lock_);
                handle(*link, *message);
            } else if (std::holds_alternative<Gone>(received)) {
                const std::scoped_lock guard(lock_);
                if (link_ == link) {
                    link_.reset();
                }
            }
            if (!is_holding) {
                for (const auto ticket : std::exchange(fences_, {})) {
                    answer(*link, ticket, 0);
                }
            }
        }
    }
    static void answer(render::Link& link, std::uint32_t ticket, int error) {
        if (ticket != 0) {
            static_cast<void>(link.send(render::encode(render::Done{.ticket = ticket, .error = error})));
        }
    }
    void finish(render::Link& link, const render::Order& order, int error) {
        if (order.is_fenced != 0 && error == 0 && order.ticket != 0) {
            fences_.push_back(order.ticket);
        } else {
            answer(link, order.ticket, error);
        }
    }

    void handle(render::Link& link, render::Received& message) {
        if (const auto create = message.as<render::CreateResource>()) {
            const auto& shape = create->shape;
            textures_[create->resource] = {
                .shape = shape,
                .pixels = std::vector<std::byte>(std::size_t{4} * shape.width * shape.height)};
            finish(link, create->order, 0);
        } else if (const auto destroy = message.as<render::DestroyResource>()) {
            textures_.erase(destroy->resource);
            finish(link, destroy->order, 0);
        } else if (const auto set = message.as<render::SetMemory>()) {
            const auto file = message.take_file();
            auto mapping = Mapping::map_shared(file.get(), 0, set->size, "lent");
            auto& texture = textures_[set->resource];
            (set->memory == render::Memory::picture ? texture.picture : texture.backing) =
                std::move(mapping.value());
            finish(link, set->order, 0);
        } else if (const auto clear = message.as<render::ClearMemory>()) {
            textures_[clear->resource].backing = {};
            finish(link, clear->order, 0);
        } else if (const auto transfer = message.as<render::Transfer>()) {
            finish(link, transfer->order, copy(*transfer));
        } else if (const auto submit = message.begin<render::Submit>()) {
            fill(message.more<render::Submit>());
            finish(link, submit->order, 0);
        } else if (const auto context = message.as<render::CreateContext>()) {
            finish(link, context->order, 0);
        } else if (const auto gone = message.as<render::DestroyContext>()) {
            finish(link, gone->order, 0);
        } else if (const auto attach = message.as<render::AttachResource>()) {
            finish(link, attach->order, 0);
        } else if (const auto detach = message.as<render::DetachResource>()) {
            finish(link, detach->order, 0);
        }
    }
    /// EINVAL for what is not of two dimensions or does not fit; hvisord has looked before.
    int copy(const render::Transfer& transfer) {
        const auto found = textures_.find(transfer.resource);
        if (found == textures_.end()) {
            return EINVAL;
        }
        auto& texture = found->second;
        const auto& memory = transfer.memory == render::Memory::picture ? texture.picture : texture.backing;
        const auto& box = transfer.box;
        const auto width = std::size_t{texture.shape.width} * 4;
        const auto stride = transfer.stride != 0 ? transfer.stride : width;
        const auto row = std::size_t{box.width} * 4;
        if (!memory || box.z != 0 || box.depth != 1 || transfer.level != 0 ||
            box.x + box.width > texture.shape.width || box.y + box.height > texture.shape.height ||
            transfer.offset + stride * (box.height - 1) + row > memory.size()) {
            return EINVAL;
        }
        for (std::uint32_t y = 0; y < box.height; ++y) {
            auto* const inside = texture.pixels.data() + width * (box.y + y) + std::size_t{box.x} * 4;
            auto* const outside = memory.data() + transfer.offset + stride * y;
            transfer.is_from_resource != 0 ? std::memcpy(outside, inside, row)
                                           : std::memcpy(inside, outside, row);
        }
        return 0;
    }
    void fill(std::span<const std::byte> commands) {
        for (; commands.size() >= 8; commands = commands.subspan(8)) {
            std::array<std::uint32_t, 2> words{};
            std::memcpy(words.data(), commands.data(), sizeof words);
            if (const auto found = textures_.find(words[0]); found != textures_.end()) {
                auto& pixels = found->second.pixels;
                for (std::size_t i = 0; i + 4 <= pixels.size(); i += 4) {
                    std::memcpy(pixels.data() + i, &words[1], 4);
                }
            }
        }
    }

    std::mutex lock_;
    std::shared_ptr<render::Link> link_;        ///< under lock_
    int connections_ = 0;                       ///< under lock_
    std::map<std::uint32_t, Texture> textures_; ///< under lock_
    std::vector<std::uint32_t> fences_;
    std::jthread server_;
};

} // namespace hvisor::kit
