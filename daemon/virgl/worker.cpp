// SPDX-License-Identifier: Apache-2.0
#include "virgl/worker.hpp"

#include "base/error.hpp"
#include "base/mapping.hpp"
#include "render/link.hpp"
#include "virgl/library.hpp"

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <exception>
#include <optional>
#include <poll.h>
#include <print>
#include <string>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>
#include <unordered_map>
#include <utility>
#include <variant>

namespace hvisor::virgl {
namespace {

using render::Memory;

/// Where the library has no descriptor to wait for, fences are looked for so often.
constexpr int fence_milliseconds = 2;

/// A file that hvisord lends, which never becomes shorter; empty when it is shorter than
/// that, which would be a SIGBUS later.
Mapping map_lent(const UniqueFd& file, std::uint64_t size) {
    struct stat status{};
    if (!file || size == 0 || ::fstat(file.get(), &status) != 0 || std::cmp_less(status.st_size, size)) {
        return {};
    }
    void* address = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
    return address != MAP_FAILED ? Mapping(address, size) : Mapping();
}

/// Carries out orders, one after the other.
class Worker {
  public:
    Worker(render::Link& hvisord, Library library) : hvisord_(hvisord), library_(std::move(library)) {}

    void introduce() {
        for (const auto& capset : library_.capsets()) {
            render::CapsetBytes message{.id = capset.id,
                                        .version = capset.version,
                                        .size = static_cast<std::uint32_t>(capset.bytes.size()),
                                        .bytes = {}};
            std::ranges::copy(capset.bytes, message.bytes.begin());
            send(message);
        }
        send(render::Ready{.capsets = static_cast<std::uint32_t>(library_.capsets().size()),
                           .name = text_of<decltype(render::Ready::name)>(library_.name())});
    }

    /// Until hvisord goes, or says what is no order.
    int run() {
        for (;;) {
            const int wake_fd = library_.wake_fd();
            std::array waits{pollfd{.fd = hvisord_.fd(), .events = POLLIN, .revents = 0},
                             pollfd{.fd = wake_fd, .events = POLLIN, .revents = 0}};
            const int most = wake_fd < 0 && library_.has_fences() ? fence_milliseconds : -1;
            static_cast<void>(::poll(waits.data(), waits.size(), most));
            auto received = hvisord_.receive();
            if (std::holds_alternative<Gone>(received)) {
                return 0;
            }
            if (auto* message = std::get_if<render::Received>(&received); message != nullptr) {
                if (!take(*message)) {
                    std::println(stderr, "hvisor-gpu-render: hvisord says what is no order");
                    return 1;
                }
            }
            for (const auto ticket : library_.finished()) {
                answer(ticket, 0);
            }
        }
    }

  private:
    /// What hvisord lends for a resource.
    struct Lent {
        Mapping backing;
        Mapping picture;
    };

    template <render::Message T>
    void send(const T& message) {
        const auto bytes = render::encode(message);
        while (hvisord_.send(bytes) == Sent::full) {
            pollfd wait{.fd = hvisord_.fd(), .events = POLLOUT, .revents = 0};
            static_cast<void>(::poll(&wait, 1, -1));
        }
    }
    void answer(std::uint32_t ticket, int error) {
        if (ticket != 0) {
            send(render::Done{.ticket = ticket, .error = error});
        }
    }
    void answer(const render::Order& order, int error) {
        if (order.ticket == 0 || order.is_fenced == 0 || !library_.fence(order.ticket)) {
            answer(order.ticket, error);
        }
    }

    template <render::Message T, class Act>
    [[nodiscard]] bool carry_out(const render::Received& message, Act act) {
        const auto order = message.as<T>();
        if (order) {
            // What fails is told at once: of it nothing is drawn.
            const int error = act(*order);
            error == 0 ? answer(order->order, 0) : answer(order->order.ticket, error);
        }
        return order.has_value();
    }

    [[nodiscard]] bool take(render::Received& message) {
        using render::Kind;
        switch (message.kind()) {
        case Kind::create_context:
            return carry_out<render::CreateContext>(message, [this](const auto& order) {
                return library_.create_context(order.context, std::string(view_of(order.name)));
            });
        case Kind::destroy_context:
            return carry_out<render::DestroyContext>(message, [this](const auto& order) {
                library_.destroy_context(order.context);
                return 0;
            });
        case Kind::attach_resource:
            return carry_out<render::AttachResource>(message, [this](const auto& order) {
                library_.attach(order.context, order.resource);
                return 0;
            });
        case Kind::detach_resource:
            return carry_out<render::DetachResource>(message, [this](const auto& order) {
                library_.detach(order.context, order.resource);
                return 0;
            });
        case Kind::create_resource:
            return carry_out<render::CreateResource>(message, [this](const auto& order) {
                return library_.create_resource(order.resource, order.shape);
            });
        case Kind::destroy_resource:
            return carry_out<render::DestroyResource>(message, [this](const auto& order) {
                library_.clear_backing(order.resource);
                library_.destroy_resource(order.resource);
                lent_.erase(order.resource);
                return 0;
            });
        case Kind::set_memory:
            return carry_out<render::SetMemory>(
                message, [this, &message](const auto& order) { return set(order, message.take_file()); });
        case Kind::clear_memory:
            return carry_out<render::ClearMemory>(message,
                                                  [this](const auto& order) { return clear(order); });
        case Kind::transfer:
            return carry_out<render::Transfer>(message,
                                               [this](const auto& order) { return transfer(order); });
        case Kind::submit:
            return submit(message);
        default:
            return false;
        }
    }

    int set(const render::SetMemory& order, const UniqueFd& file) {
        auto memory = map_lent(file, order.size);
        if (!memory) {
            return ENOMEM;
        }
        auto& lent = lent_[order.resource];
        if (order.memory == Memory::picture) {
            lent.picture = std::move(memory);
            return 0;
        }
        library_.clear_backing(order.resource);
        lent.backing = std::move(memory);
        return library_.set_backing(order.resource, {lent.backing.data(), lent.backing.size()});
    }

    int clear(const render::ClearMemory& order) {
        auto& lent = lent_[order.resource];
        if (order.memory == Memory::picture) {
            lent.picture = {};
        } else {
            library_.clear_backing(order.resource);
            lent.backing = {};
        }
        return 0;
    }

    int transfer(const render::Transfer& order) {
        const auto found = lent_.find(order.resource);
        if (found == lent_.end()) {
            return EINVAL;
        }
        const auto& memory = order.memory == Memory::picture ? found->second.picture : found->second.backing;
        return memory ? library_.transfer(order, {memory.data(), memory.size()}) : EINVAL;
    }

    [[nodiscard]] bool submit(render::Received& message) {
        const auto order = message.begin<render::Submit>();
        if (!order || order->size > render::Submit::max_commands) {
            return false;
        }
        // A copy, also of what hvisord lends: the library writes to it.
        std::vector<std::uint32_t> commands(order->size / sizeof(std::uint32_t));
        const auto bytes = std::as_writable_bytes(std::span(commands));
        const auto more = message.more<render::Submit>();
        int error = 0;
        if (order->size <= render::Submit::max_inline) {
            if (more.size() < bytes.size()) {
                return false;
            }
            std::ranges::copy(more.first(bytes.size()), bytes.begin());
        } else if (const auto memory = map_lent(message.take_file(), order->size)) {
            std::ranges::copy(std::span(memory.data(), bytes.size()), bytes.begin());
        } else {
            error = ENOMEM;
        }
        error = error == 0 ? library_.submit(order->context, commands) : error;
        error == 0 ? answer(order->order, 0) : answer(order->order.ticket, error);
        return true;
    }

    render::Link& hvisord_;
    Library library_;
    std::unordered_map<std::uint32_t, Lent> lent_; ///< by resource
};

/// A driver's shader may keep this process for long in a call of Mesa's; when hvisord has
/// gone, nobody waits for it any more.
void end_with(int hvisord) {
    std::thread([hvisord] {
        pollfd wait{.fd = hvisord, .events = 0, .revents = 0};
        while (::poll(&wait, 1, -1) < 0 && errno == EINTR) {
        }
        ::_exit(0);
    }).detach();
}

Result<int> serve_until_gone(render::Link& hvisord) {
    pollfd wait{.fd = hvisord.fd(), .events = POLLIN, .revents = 0};
    static_cast<void>(::poll(&wait, 1, -1));
    auto received = hvisord.receive();
    auto* message = std::get_if<render::Received>(&received);
    const auto hello = message != nullptr ? message->as<render::Hello>() : std::nullopt;
    if (!hello || hello->version != render::protocol_version) {
        return fail(
            ErrorCode::incompatible,
            "hvisord and hvisor-gpu-render are of different versions: restart hvisord once no zone runs");
    }
    const auto name = "gpu-" + std::string(view_of(hello->name));
    static_cast<void>(::prctl(PR_SET_NAME, name.c_str(), 0, 0, 0));
    end_with(hvisord.fd());
    auto library = Library::start();
    if (!library) {
        return std::unexpected(std::move(library).error());
    }
    Worker worker(hvisord, std::move(*library));
    worker.introduce();
    return worker.run();
}

} // namespace

int serve_device(UniqueFd hvisord) {
    render::Link link(std::move(hvisord));
    const auto served = serve_until_gone(link);
    if (!served) {
        std::println(stderr, "hvisor-gpu-render: {}", served.error().message);
        static_cast<void>(link.send(render::encode(
            render::Trouble{.text = text_of<decltype(render::Trouble::text)>(served.error().message)})));
    }
    // Mesa's threads and the one above end with the process, not before it.
    std::fflush(stderr);
    ::_exit(served.value_or(1));
}

} // namespace hvisor::virgl
