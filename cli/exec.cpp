// SPDX-License-Identifier: Apache-2.0
#include "exec.hpp"

#include "base/errno_text.hpp"

#include <algorithm>
#include <format>
#include <unistd.h>
#include <utility>

namespace hvisor::cli {

std::string shell_word(std::string_view word) {
    // Braces without a comma are themselves in every shell, and signatures are full of them.
    const auto is_plain = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               std::string_view("%+-./:@_{}").contains(c);
    };
    if (!word.empty() && std::ranges::all_of(word, is_plain)) {
        return std::string(word);
    }
    std::string result = "'";
    for (const char c : word) {
        result += c == '\'' ? std::string("'\\''") : std::string(1, c);
    }
    return result + "'";
}

Outcome<void> become(std::vector<std::string> words) {
    std::vector<char*> argv;
    argv.reserve(words.size() + 1);
    for (auto& word : words) {
        argv.push_back(word.data());
    }
    argv.push_back(nullptr);
    ::execvp(argv.front(), argv.data());
    return fail(1, std::format("cannot run {}: {}", words.front(), errno_text()));
}

Outcome<void> become_remote(const std::string& host, const std::vector<std::string>& arguments) {
    if (host.empty() || host.starts_with('-')) {
        return fail(exit_usage, std::format("--host {}: expected HOST or USER@HOST", host));
    }
    const bool has_terminal = isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1;
    std::vector<std::string> words{"ssh", has_terminal ? "-t" : "-T", host, "hvisorctl"};
    // ssh joins its arguments and hands them to a shell.
    for (const auto& argument : arguments) {
        words.push_back(shell_word(argument));
    }
    return become(std::move(words));
}

} // namespace hvisor::cli
