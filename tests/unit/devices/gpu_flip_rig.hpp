// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "devices/gpu/flip_chain.hpp"

#include <array>
#include <catch2/catch_test_macros.hpp>
#include <cstring>
#include <deque>
#include <expected>
#include <vector>

namespace hvisor::devices::gpu {

using Pixel = std::uint32_t;

/// A picture whose pixels are `value` now.
class FlatPicture final : public Picture {
  public:
    FlatPicture(Size size, Pixel value) : pixels(std::size_t{size.width} * size.height, value), size_(size) {}

    [[nodiscard]] Size size() const override { return size_; }
    void paint(const Rect& part, const Canvas& to) const override {
        painted.push_back(part);
        REQUIRE(part.fits(size_));
        REQUIRE(to.size == size_);
        for (auto y = part.y; y < part.y + part.height; ++y) {
            std::memcpy(to.at(part.x, y), &pixels[y * size_.width + part.x], part.width * bytes_per_pixel);
        }
    }
    void fill(const Rect& part, Pixel value) {
        for (auto y = part.y; y < part.y + part.height; ++y) {
            for (auto x = part.x; x < part.x + part.width; ++x) {
                pixels[y * size_.width + x] = value;
            }
        }
    }

    std::vector<Pixel> pixels;
    mutable std::vector<Rect> painted;

  private:
    Size size_;
};

/// Two buffers that begin with what must never be seen.
class FakeOutput final : public FlipOutput {
  public:
    struct Shown {
        std::size_t buffer;
        Rect damage;
        bool sets_mode;
        [[nodiscard]] bool operator==(const Shown&) const = default;
    };

    explicit FakeOutput(Size size) : size_(size) {
        for (auto& buffer : buffers) {
            buffer.assign(std::size_t{size.width} * size.height, 0xdeadbeef);
        }
    }
    [[nodiscard]] Canvas canvas(std::size_t buffer) override {
        return {.data = reinterpret_cast<std::byte*>(buffers.at(buffer).data()),
                .stride = size_.width * bytes_per_pixel,
                .size = size_};
    }
    [[nodiscard]] std::expected<Flip, int> flip(std::size_t buffer, const Rect& damage,
                                                bool sets_mode) override {
        std::expected<Flip, int> answer = Flip::on_its_way;
        if (!answers.empty()) {
            answer = answers.front();
            answers.pop_front();
        }
        if (answer && *answer != Flip::busy) {
            shown.push_back({buffer, damage, sets_mode});
        }
        return answer;
    }
    void call_later(Flip reason) override { later.push_back(reason); }

    [[nodiscard]] Pixel at(std::size_t buffer, std::uint32_t x, std::uint32_t y) const {
        return buffers.at(buffer).at(y * size_.width + x);
    }

    std::array<std::vector<Pixel>, 2> buffers;
    std::deque<std::expected<Flip, int>> answers; ///< of the next flips; then all go their way
    std::vector<Shown> shown;
    std::vector<Flip> later;

  private:
    Size size_;
};

inline constexpr Size small{.width = 8, .height = 6};

/// A chain that shows a picture of its mode's size, after its first flip.
struct FlipRig {
    explicit FlipRig(Size mode = small, Size size = small)
        : output(mode), picture(size, 1), placement(place(size, mode)) {
        REQUIRE(chain.begin(output, picture, placement));
        REQUIRE(chain.flipped());
        picture.painted.clear();
        output.shown.clear();
    }
    std::uint64_t draw(const Rect& part, Pixel value) {
        picture.fill(part, value);
        REQUIRE(chain.present(part));
        return chain.presented();
    }
    [[nodiscard]] std::vector<Pixel> read() const {
        std::vector<Pixel> pixels(picture.pixels.size(), 0xabababab);
        chain.read({.data = reinterpret_cast<std::byte*>(pixels.data()),
                    .stride = picture.size().width * bytes_per_pixel,
                    .size = picture.size()});
        return pixels;
    }

    FakeOutput output;
    FlatPicture picture;
    Placement placement;
    FlipChain chain;
};

} // namespace hvisor::devices::gpu
