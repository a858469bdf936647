// SPDX-License-Identifier: Apache-2.0
#include "options.hpp"

#include "errno.hpp"
#include "panic.hpp"

namespace testvisor {
namespace {

constexpr unsigned option_end = static_cast<unsigned>(Option::End);
constexpr unsigned counter_end = static_cast<unsigned>(Counter::End);

std::uint64_t options[option_end];
std::uint64_t turns[option_end];
std::uint64_t counters[counter_end];

const char* const names[option_end] = {
    "", "lose-injections", "lose-wakeups", "lose-active", "magic", "layout", "quiet",
};

constexpr std::uint64_t identify = 0;
constexpr std::uint64_t read_option = 0x100;
constexpr std::uint64_t read_counter = 0x200;
constexpr std::uint64_t panic_now = 0x300;
constexpr std::int64_t identity = 0x74657374;

bool valid(unsigned number, std::uint64_t value) {
    switch (static_cast<Option>(number)) {
    case Option::LoseActive:
    case Option::Quiet:
        return value <= 1;
    case Option::Layout:
        // 0 is the default, the newest.
        return value == 0 || value == static_cast<std::uint64_t>(Layout::V5a) ||
               value == static_cast<std::uint64_t>(Layout::V6);
    case Option::LoseInjections:
    case Option::LoseWakeups:
    case Option::Magic:
        return true;
    case Option::End:
        break;
    }
    return false;
}

void set(unsigned number, std::uint64_t value) {
    __atomic_store_n(&turns[number], 0, __ATOMIC_RELAXED);
    __atomic_store_n(&options[number], value, __ATOMIC_RELEASE);
}

bool same(Text word, const char* name) {
    std::uint64_t i = 0;
    while (i < word.size && name[i] != '\0' && word.data[i] == name[i]) {
        ++i;
    }
    return i == word.size && name[i] == '\0';
}

bool parse_number(Text digits, std::uint64_t& value) {
    unsigned base = 10;
    std::uint64_t i = 0;
    if (digits.size > 2 && digits.data[0] == '0' && digits.data[1] == 'x') {
        base = 16;
        i = 2;
    }
    if (i == digits.size) {
        return false;
    }
    for (value = 0; i < digits.size; ++i) {
        const char c = digits.data[i];
        unsigned digit = base;
        if (c >= '0' && c <= '9') {
            digit = static_cast<unsigned>(c - '0');
        } else if (c >= 'a' && c <= 'f') {
            digit = static_cast<unsigned>(c - 'a') + 10;
        }
        if (digit >= base) {
            return false;
        }
        value = value * base + digit;
    }
    return true;
}

/// A word that is not understood would silently run a test without the fault
/// that it is about: it ends the machine.
void read_word(Text word) {
    std::uint64_t equals = 0;
    while (equals < word.size && word.data[equals] != '=') {
        ++equals;
    }
    const Text name{word.data, equals};
    for (unsigned number = 1; number < option_end; ++number) {
        if (!same(name, names[number])) {
            continue;
        }
        std::uint64_t value = 1;
        if (equals < word.size) {
            const Text text{word.data + equals + 1, word.size - equals - 1};
            if (static_cast<Option>(number) == Option::Layout && same(text, "v5a")) {
                value = static_cast<std::uint64_t>(Layout::V5a);
            } else if (static_cast<Option>(number) == Option::Layout && same(text, "v6")) {
                value = static_cast<std::uint64_t>(Layout::V6);
            } else if (!parse_number(text, value)) {
                break;
            }
        }
        if (!valid(number, value)) {
            break;
        }
        set(number, value);
        return;
    }
    panic("option not understood: ", word);
}

} // namespace

std::uint64_t option(Option which) {
    return __atomic_load_n(&options[static_cast<unsigned>(which)], __ATOMIC_ACQUIRE);
}

Layout layout() {
    const std::uint64_t chosen = option(Option::Layout);
    return chosen == 0 ? Layout::V6 : static_cast<Layout>(chosen);
}

std::uint64_t config_magic() {
    const std::uint64_t chosen = option(Option::Magic);
    return chosen == 0 ? static_cast<std::uint64_t>(layout()) : chosen;
}

void count(Counter which) {
    __atomic_fetch_add(&counters[static_cast<unsigned>(which)], 1, __ATOMIC_RELAXED);
}

bool loses(Option which) {
    const std::uint64_t every = option(which);
    const auto number = static_cast<unsigned>(which);
    return every != 0 && __atomic_add_fetch(&turns[number], 1, __ATOMIC_RELAXED) % every == 0;
}

void read_command_line(const char* words, std::uint64_t size) {
    std::uint64_t start = 0;
    for (std::uint64_t i = 0; i <= size; ++i) {
        if (i < size && words[i] != ' ' && words[i] != '\0') {
            continue;
        }
        if (i > start) {
            read_word({words + start, i - start});
        }
        start = i + 1;
    }
}

std::int64_t debug_hypercall(std::uint64_t number, std::uint64_t value) {
    if (number == identify) {
        return identity;
    }
    if (number == panic_now) {
        panic("asked for by the root zone");
    }
    if (number < option_end) {
        if (!valid(static_cast<unsigned>(number), value)) {
            return -error::invalid;
        }
        set(static_cast<unsigned>(number), value);
        return 0;
    }
    if (number > read_option && number < read_option + option_end) {
        return static_cast<std::int64_t>(option(static_cast<Option>(number - read_option)));
    }
    if (number > read_counter && number < read_counter + counter_end) {
        return static_cast<std::int64_t>(__atomic_load_n(&counters[number - read_counter], __ATOMIC_RELAXED));
    }
    return -error::invalid;
}

} // namespace testvisor
