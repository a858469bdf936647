// SPDX-License-Identifier: Apache-2.0
#include "service/png_file.hpp"

#include <catch2/catch_test_macros.hpp>
#include <zlib.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <map>
#include <span>
#include <string>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

namespace png_file_test {

using namespace hvisor;
using devices::gpu::Screenshot;
using devices::gpu::Size;
using service::png_file;

namespace {

using Bytes = std::vector<unsigned char>;

Screenshot make_picture(Size size) {
    Screenshot picture{.size = size, .pixels = {}};
    for (std::uint32_t i = 0; i < size.width * size.height; ++i) {
        const std::uint32_t pixel = i * 2654435761U;
        for (unsigned shift = 0; shift < 32; shift += 8) {
            picture.pixels.push_back(static_cast<std::byte>(pixel >> shift));
        }
    }
    return picture;
}

/// From where its offset is.
Bytes read_all(int fd) {
    Bytes bytes(1 << 20);
    const auto size = ::read(fd, bytes.data(), bytes.size());
    REQUIRE(size > 0);
    bytes.resize(static_cast<std::size_t>(size));
    return bytes;
}

std::uint32_t big_endian(std::span<const unsigned char> bytes) {
    return static_cast<std::uint32_t>(bytes[0]) << 24 | static_cast<std::uint32_t>(bytes[1]) << 16 |
           static_cast<std::uint32_t>(bytes[2]) << 8 | bytes[3];
}

/// The chunks by their types, those of the same type joined; each checksum has to be right.
std::map<std::string, Bytes> chunks(std::span<const unsigned char> png) {
    constexpr std::array<unsigned char, 8> signature{0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    REQUIRE(png.size() > signature.size());
    CHECK(std::memcmp(png.data(), signature.data(), signature.size()) == 0);
    std::map<std::string, Bytes> found;
    for (png = png.subspan(signature.size()); !png.empty();) {
        REQUIRE(png.size() >= 12);
        const std::size_t length = big_endian(png);
        REQUIRE(png.size() - 12 >= length);
        const auto named = png.subspan(4, 4 + length);
        CHECK(crc32(0, named.data(), static_cast<uInt>(named.size())) == big_endian(png.subspan(8 + length)));
        auto& bytes = found[std::string(named.begin(), named.begin() + 4)];
        bytes.insert(bytes.end(), named.begin() + 4, named.end());
        png = png.subspan(12 + length);
    }
    return found;
}

/// PNG, 9.4.
int paeth(int left, int above, int corner) {
    const int p = left + above - corner;
    const int to_left = std::abs(p - left);
    const int to_above = std::abs(p - above);
    const int to_corner = std::abs(p - corner);
    if (to_left <= to_above && to_left <= to_corner) {
        return left;
    }
    return to_above <= to_corner ? above : corner;
}

/// Red, green and blue of each pixel, as another program would read them.
Bytes decode(const Bytes& png, Size size) {
    const auto parts = chunks(png);
    const Bytes& header = parts.at("IHDR");
    REQUIRE(header.size() == 13);
    CHECK(big_endian(header) == size.width);
    CHECK(big_endian(std::span(header).subspan(4)) == size.height);
    CHECK(Bytes(header.begin() + 8, header.end()) == Bytes{8, 2, 0, 0, 0}); // 8 bits, RGB
    const std::size_t row = std::size_t{size.width} * 3;
    Bytes lines((row + 1) * size.height);
    uLongf length = lines.size();
    const Bytes& packed = parts.at("IDAT");
    REQUIRE(::uncompress(lines.data(), &length, packed.data(), packed.size()) == Z_OK);
    REQUIRE(length == lines.size());
    Bytes image(row * size.height);
    for (std::size_t y = 0; y < size.height; ++y) {
        const unsigned filter = lines[y * (row + 1)];
        for (std::size_t x = 0; x < row; ++x) {
            const int left = x < 3 ? 0 : image[y * row + x - 3];
            const int above = y == 0 ? 0 : image[(y - 1) * row + x];
            const int corner = x < 3 || y == 0 ? 0 : image[(y - 1) * row + x - 3];
            const std::array<int, 5> guess{0, left, above, (left + above) / 2, paeth(left, above, corner)};
            image[y * row + x] = static_cast<unsigned char>(lines[y * (row + 1) + 1 + x] + guess.at(filter));
        }
    }
    return image;
}

} // namespace

TEST_CASE("a screenshot becomes a PNG with its colours in their places") {
    for (const Size size :
         {Size{.width = 1, .height = 1}, Size{.width = 3, .height = 5}, Size{.width = 160, .height = 100}}) {
        const Screenshot picture = make_picture(size);
        const auto file = png_file(picture);
        REQUIRE(file);
        const Bytes image = decode(read_all(file->get()), size);
        bool is_same = true;
        for (std::size_t i = 0; i < picture.pixels.size() / 4; ++i) {
            for (std::size_t colour = 0; colour < 3; ++colour) {
                is_same &=
                    image[3 * i + colour] == std::to_integer<unsigned>(picture.pixels[4 * i + 2 - colour]);
            }
        }
        INFO(size.width << " x " << size.height);
        CHECK(is_same);
    }
}

TEST_CASE("nobody can change a screenshot that somebody else has") {
    const auto file = png_file(make_picture({.width = 8, .height = 8}));
    REQUIRE(file);
    CHECK(::write(file->get(), "x", 1) == -1);
    CHECK(errno == EPERM);
    CHECK(::ftruncate(file->get(), 0) == -1);
    CHECK(::mmap(nullptr, 4096, PROT_WRITE, MAP_SHARED, file->get(), 0) == MAP_FAILED);
    CHECK(::fcntl(file->get(), F_ADD_SEALS, 0) == -1);
    CHECK(::fcntl(file->get(), F_GETFD) == FD_CLOEXEC);
}

TEST_CASE("a picture that is none becomes an error") {
    const auto file = png_file(Screenshot{});
    REQUIRE_FALSE(file);
    CHECK(file.error().code == ErrorCode::io_error);
    CHECK(file.error().message.starts_with("picture: "));
}

} // namespace png_file_test
