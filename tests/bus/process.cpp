// SPDX-License-Identifier: Apache-2.0
#include "process.hpp"

#include <array>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace hvisor::test {
namespace {

void redirect(int target, const std::string& path, int flags) {
    const int fd = open(path.c_str(), flags | O_CLOEXEC, 0600);
    if (fd < 0 || dup2(fd, target) < 0) {
        _exit(126);
    }
}

} // namespace

Process::Process(std::vector<std::string> command, const std::string& output_file,
                 const std::string& error_file, const std::vector<std::string>& environment, int input) {
    std::vector<char*> arguments;
    arguments.reserve(command.size() + 1);
    for (auto& argument : command) {
        arguments.push_back(argument.data());
    }
    arguments.push_back(nullptr);
    pid_ = fork();
    if (pid_ < 0) {
        throw std::runtime_error("fork failed");
    }
    if (pid_ > 0) {
        return;
    }
    for (const auto& variable : environment) {
        const auto equals = variable.find('=');
        setenv(variable.substr(0, equals).c_str(), variable.substr(equals + 1).c_str(), 1);
    }
    if (input >= 0) {
        dup2(input, STDIN_FILENO);
    } else {
        redirect(STDIN_FILENO, "/dev/null", O_RDONLY);
    }
    redirect(STDOUT_FILENO, output_file, O_WRONLY | O_CREAT | O_TRUNC);
    redirect(STDERR_FILENO, error_file, O_WRONLY | O_CREAT | O_TRUNC);
    execv(arguments.front(), arguments.data());
    _exit(127);
}

Process::~Process() {
    if (status_ < 0) {
        kill(pid_, SIGKILL);
        waitpid(pid_, nullptr, 0);
    }
}

void Process::signal(int number) const {
    kill(pid_, number);
}

int Process::wait(std::chrono::milliseconds limit) {
    int status = 0;
    if (status_ < 0 && eventually([&] { return waitpid(pid_, &status, WNOHANG) == pid_; }, limit)) {
        status_ = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    }
    return status_;
}

std::string read_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

void write_file(const std::string& path, const std::string& text) {
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file << text;
    if (!file.flush()) {
        throw std::runtime_error("cannot write " + path);
    }
}

void sleep_a_little() {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
}

} // namespace hvisor::test
