// SPDX-License-Identifier: Apache-2.0
//
// One line of text, put together from pieces without a heap.
#pragma once

#include <cstddef>
#include <cstdint>

namespace testvisor {

struct Hex {
    std::uint64_t value;
};

/// Text that may end before its size, as names in zone configurations do.
struct Text {
    const char* data;
    std::size_t size;
};

class Line {
  public:
    template <typename... Pieces>
    explicit Line(Pieces... pieces) {
        (add(pieces), ...);
    }

    [[nodiscard]] const char* data() const { return data_; }
    [[nodiscard]] std::size_t size() const { return size_; }

  private:
    void add(char c) {
        if (size_ < sizeof(data_)) {
            data_[size_++] = c;
        }
    }
    void add(const char* text) {
        while (*text != '\0') {
            add(*text++);
        }
    }
    void add(Text text) {
        for (std::size_t i = 0; i < text.size && text.data[i] != '\0'; ++i) {
            const char c = text.data[i];
            add(c >= ' ' && c <= '~' ? c : '?');
        }
    }
    void add(std::uint64_t value) { add_digits(value, 10); }
    void add(unsigned value) { add_digits(value, 10); }
    void add(int value) {
        if (value < 0) {
            add('-');
        }
        const auto wide = static_cast<std::int64_t>(value);
        add_digits(static_cast<std::uint64_t>(wide < 0 ? -wide : wide), 10);
    }
    void add(Hex hex) {
        add("0x");
        add_digits(hex.value, 16);
    }
    void add_digits(std::uint64_t value, unsigned base) {
        char digits[20];
        unsigned count = 0;
        do {
            digits[count++] = "0123456789abcdef"[value % base];
            value /= base;
        } while (value != 0);
        while (count > 0) {
            add(digits[--count]);
        }
    }

    char data_[200];
    std::size_t size_ = 0;
};

} // namespace testvisor
