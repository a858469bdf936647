// SPDX-License-Identifier: Apache-2.0
#include "devices/gpu/drawn.hpp"

#include <utility>

namespace hvisor::devices::gpu {
namespace {

template <class Copy>
void each_piece(const Pieces& pieces, Copy copy) {
    if (pieces.layers == 1 && pieces.row == pieces.stride) {
        copy(pieces.offset, pieces.row * pieces.rows);
        return;
    }
    for (std::uint32_t layer = 0; layer < pieces.layers; ++layer) {
        for (std::uint32_t row = 0; row < pieces.rows; ++row) {
            copy(pieces.offset + pieces.layer_stride * layer + pieces.stride * row, pieces.row);
        }
    }
}

} // namespace

Outcome<Drawn> Drawn::make(const render::Shape& shape, MemoryBudget& budget) {
    const auto size = texture_size(shape);
    if (!size) {
        return std::unexpected(size.error());
    }
    Drawn made(shape, *size, budget);
    if (!made.account()) {
        return refuse(Response::err_out_of_memory, "it is larger than what is left of the device's memory");
    }
    return made;
}

Outcome<MemoryFile> Drawn::make_file(const char* name, std::uint64_t size) {
    if (!share_.resize(size_ + shadow_.size() + picture_.size() + size)) {
        return refuse(Response::err_out_of_memory, "it is larger than what is left of the device's memory");
    }
    auto made = MemoryFile::make(name, size);
    if (!made) {
        static_cast<void>(account());
        return refuse(Response::err_out_of_memory, "the root zone has no memory for it");
    }
    return std::move(*made);
}

Outcome<UniqueFd> Drawn::make_shadow(std::uint64_t size) {
    auto made = make_file("hvisor-backing", size);
    if (!made) {
        return std::unexpected(made.error());
    }
    shadow_ = std::move(made->mapping);
    return std::move(made->file);
}

void Drawn::drop_shadow() {
    shadow_ = {};
    static_cast<void>(account());
}

void Drawn::upload(const Backing& from, const Pieces& pieces) {
    if (shadow_.size() >= from.size() && !pieces.empty()) {
        each_piece(pieces, [&](std::uint64_t offset, std::uint64_t length) {
            from.read(offset, {shadow_.data() + offset, length});
        });
    }
}

void Drawn::download(const Backing& to, const Pieces& pieces) const {
    if (shadow_.size() >= to.size() && !pieces.empty()) {
        each_piece(pieces, [&](std::uint64_t offset, std::uint64_t length) {
            to.write(offset, {shadow_.data() + offset, length});
        });
    }
}

Outcome<UniqueFd> Drawn::make_picture(std::uint64_t size) {
    auto made = make_file("hvisor-picture", size);
    if (!made) {
        return std::unexpected(made.error());
    }
    picture_ = std::move(made->mapping);
    return std::move(made->file);
}

} // namespace hvisor::devices::gpu
