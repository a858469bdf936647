// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/fixed_text.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>

// What hvisord and hvisor-gpu-render say to each other over a SOCK_SEQPACKET socket, one
// message a packet. Both come from one package and run on one machine: numbers are the
// machine's own, and another version is refused rather than understood.
//
// hvisord connects once a GPU device and says Hello. hvisor-gpu-render answers with a
// CapsetBytes for each capability set, then Ready, or with Trouble. From then on hvisord
// orders; hvisor-gpu-render carries out one order after the other and says Done for each
// that has a ticket. It has no memory of the zone: what goes to and fro lies in memory
// files that hvisord lends.
namespace hvisor::render {

inline constexpr std::uint32_t protocol_version = 1;

enum class Kind : std::uint32_t {
    // To hvisor-gpu-render:
    hello,
    create_context,
    destroy_context,
    attach_resource,
    detach_resource,
    create_resource,
    destroy_resource,
    set_memory,
    clear_memory,
    transfer,
    submit,
    // And back:
    capset,
    ready,
    trouble,
    done,
};

template <std::size_t size>
using Text = FixedText<size>;
using hvisor::text_of;
using hvisor::view_of;

struct Hello {
    static constexpr auto kind = Kind::hello;
    std::uint32_t version;
    Text<64> name; ///< of the zone
};

/// How an order is answered.
struct Order {
    std::uint32_t ticket;    ///< of its Done; 0: none is wanted
    std::uint32_t is_fenced; ///< 1: Done comes once all drawing so far is done, too
};

struct CreateContext {
    static constexpr auto kind = Kind::create_context;
    Order order;
    std::uint32_t context;
    Text<64> name;
};
struct DestroyContext {
    static constexpr auto kind = Kind::destroy_context;
    Order order;
    std::uint32_t context;
};
struct AttachResource {
    static constexpr auto kind = Kind::attach_resource;
    Order order;
    std::uint32_t context;
    std::uint32_t resource;
};
struct DetachResource {
    static constexpr auto kind = Kind::detach_resource;
    Order order;
    std::uint32_t context;
    std::uint32_t resource;
};

/// What a resource is, as virtio 1.2, 5.7.6.8 (VIRTIO_GPU_CMD_RESOURCE_CREATE_3D) says it.
struct Shape {
    std::uint32_t target;
    std::uint32_t format;
    std::uint32_t bind;
    std::uint32_t width;
    std::uint32_t height;
    std::uint32_t depth;
    std::uint32_t array_size;
    std::uint32_t last_level;
    std::uint32_t samples;
    std::uint32_t flags;
};
struct CreateResource {
    static constexpr auto kind = Kind::create_resource;
    Order order;
    std::uint32_t resource;
    Shape shape;
};
struct DestroyResource {
    static constexpr auto kind = Kind::destroy_resource;
    Order order;
    std::uint32_t resource;
};

/// The memory files that a resource can have.
enum class Memory : std::uint32_t {
    backing, ///< in place of the guest memory behind it
    picture, ///< what a screen shows of it
};
/// With the file, which has that many bytes and never fewer.
struct SetMemory {
    static constexpr auto kind = Kind::set_memory;
    Order order;
    std::uint32_t resource;
    Memory memory;
    std::uint64_t size;
};
struct ClearMemory {
    static constexpr auto kind = Kind::clear_memory;
    Order order;
    std::uint32_t resource;
    Memory memory;
};

struct Box {
    std::uint32_t x;
    std::uint32_t y;
    std::uint32_t z;
    std::uint32_t width;
    std::uint32_t height;
    std::uint32_t depth;
};
/// Between a resource and one of its memory files; numbers as in virtio 1.2, 5.7.6.8.
struct Transfer {
    static constexpr auto kind = Kind::transfer;
    Order order;
    std::uint32_t context; ///< 0: none
    std::uint32_t resource;
    Memory memory;
    std::uint32_t is_from_resource; ///< 1: to the file, 0: from it
    std::uint32_t level;
    std::uint32_t stride;       ///< 0: as the level has it
    std::uint32_t layer_stride; ///< the same
    std::uint32_t padding;
    Box box;
    std::uint64_t offset; ///< into the file
};

/// Commands of a context, at most `max_commands` bytes, in whole words of four: behind
/// the message, or, where they are more than `max_inline`, in a memory file that comes
/// with it.
struct Submit {
    static constexpr auto kind = Kind::submit;
    static constexpr std::uint32_t max_inline = std::uint32_t{16} << 10;
    static constexpr std::uint32_t max_commands = std::uint32_t{1} << 20;
    Order order;
    std::uint32_t context;
    std::uint32_t size;
};

/// A capability set: what a driver may use.
struct CapsetBytes {
    static constexpr auto kind = Kind::capset;
    std::uint32_t id;
    std::uint32_t version;
    std::uint32_t size; ///< of `bytes`, what there is
    std::array<std::byte, 4096> bytes;
};

struct Ready {
    static constexpr auto kind = Kind::ready;
    std::uint32_t capsets; ///< that were sent
    Text<64> name;         ///< what draws, for people: "LLVMPIPE (LLVM 19.1.7, 256 bits)"
};

/// It ends after that: what is wrong, for people.
struct Trouble {
    static constexpr auto kind = Kind::trouble;
    Text<256> text;
};

struct Done {
    static constexpr auto kind = Kind::done;
    std::uint32_t ticket;
    std::int32_t error; ///< errno; 0: carried out
};

template <class T>
concept Message = std::is_trivially_copyable_v<T> && std::is_same_v<decltype(T::kind), const Kind>;

/// The largest payload is Submit's with its bytes.
inline constexpr std::size_t max_payload = sizeof(Submit) + Submit::max_inline;
static_assert(sizeof(CapsetBytes) <= max_payload);

} // namespace hvisor::render
