// SPDX-License-Identifier: Apache-2.0
// A program's OpenGL, by Mesa's driver for virtio GPUs, through the device and hvisor-gpu-render.
#include "vtest.hpp"

#include <array>
#include <catch2/catch_test_macros.hpp>
#include <cstdlib>
#include <spawn.h>
#include <string>
#include <sys/wait.h>

namespace mesa_test {

using namespace hvisor;
using namespace hvisor::devices::gpu;

TEST_CASE("virgl: Mesa's own driver draws through the device") {
    const zone::test::TemporaryDirectory folder;
    const auto socket = folder.path() / "vtest";
    RealRig real;
    Vtest vtest(real.rig, socket);

    std::string program = "python3";
    std::string script = std::getenv("HVISOR_MESA_PROGRAM");
    std::string name = "VTEST_SOCKET_NAME=" + socket.string();
    std::array<char*, 3> arguments{program.data(), script.data(), nullptr};
    std::string path = "PATH=/usr/bin:/bin";
    std::string driver = "GALLIUM_DRIVER=virpipe";
    std::string software = "LIBGL_ALWAYS_SOFTWARE=true";
    std::string cache = "MESA_SHADER_CACHE_DISABLE=true";
    std::array<char*, 6> environment{name.data(),     path.data(),  driver.data(),
                                     software.data(), cache.data(), nullptr};
    pid_t pid = -1;
    REQUIRE(::posix_spawnp(&pid, program.c_str(), nullptr, nullptr, arguments.data(), environment.data()) ==
            0);
    vtest.serve();
    int status = 0;
    REQUIRE(::waitpid(pid, &status, 0) == pid);
    CHECK(status == 0);
    CHECK(vtest.submitted() > 0);
    CHECK(vtest.transferred() > 0);
    CHECK_FALSE(real.rig.needs_reset());
}

} // namespace mesa_test
