// SPDX-License-Identifier: Apache-2.0
#include "base/blame.hpp"
#include "base/state_memory.hpp"
#include "kit/process_end.hpp"

#include <catch2/catch_test_macros.hpp>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <sys/mman.h>
#include <unistd.h>

namespace blame_test {

using namespace hvisor;
using kit::end_of;

namespace {

/// Two things that a process works on, where the next one finds them.
struct Things {
    StateMemory memory = *StateMemory::create("things");
    FaultCount& one = *new (memory.bytes().data()) FaultCount;
    FaultCount& other = *new (memory.bytes().data() + 64) FaultCount;
};

/// As a wrong pointer does.
void write_nowhere() {
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    auto* nowhere = ::mmap(nullptr, page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    *static_cast<volatile char*>(nowhere) = 1;
}

} // namespace

TEST_CASE("a fault counts for what its thread works on, and the process ends by it") {
    Things things;
    CHECK(end_of([&] {
              const Blame blame(things.one);
              ::abort();
          }) == SIGABRT);
    CHECK(things.one.in_a_row == 1);
    CHECK(end_of([&] {
              const Blame blame(things.one);
              write_nowhere();
          }) == SIGSEGV);
    CHECK(things.one.in_a_row == 2);
    CHECK(!things.one.is_hopeless());
    CHECK(end_of([&] {
              const Blame blame(things.one);
              static_cast<void>(std::raise(SIGFPE));
          }) == SIGFPE);
    CHECK(things.one.is_hopeless());
    CHECK(things.other.in_a_row == 0);
}

TEST_CASE("the innermost of nested things is to blame, and nothing is once that is done") {
    Things things;
    end_of([&] {
        const Blame outer(things.one);
        const Blame inner(things.other);
        ::abort();
    });
    CHECK(things.one.in_a_row == 0);
    CHECK(things.other.in_a_row == 1);
    end_of([&] {
        const Blame outer(things.one);
        {
            const Blame inner(things.other);
        }
        ::abort();
    });
    CHECK(things.one.in_a_row == 1);
    CHECK(things.other.in_a_row == 1);
    CHECK(end_of([&] {
              {
                  const Blame done(things.one);
              }
              ::abort();
          }) == SIGABRT);
    CHECK(things.one.in_a_row == 1);
}

TEST_CASE("a signal that somebody sends ends the process, and counts for nothing") {
    Things things;
    for (const int number : {SIGABRT, SIGSEGV, SIGKILL}) {
        const auto parent = ::getpid();
        CHECK(end_of([&] {
                  const Blame blame(things.one);
                  const auto self = ::getpid();
                  if (::fork() == 0) {
                      ::kill(self, number);
                      ::_exit(0);
                  }
                  while (::getppid() == parent) {
                      ::usleep(1000);
                  }
              }) == number);
    }
    CHECK(things.one.in_a_row == 0);
}

TEST_CASE("faults that lie far apart are not counted together") {
    Things things;
    things.one = {.in_a_row = 2, .latest = static_cast<std::uint32_t>(-1000)};
    end_of([&] {
        const Blame blame(things.one);
        ::abort();
    });
    CHECK(things.one.in_a_row == 1);
}

} // namespace blame_test
