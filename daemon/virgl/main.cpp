// SPDX-License-Identifier: Apache-2.0
#include "helper/program.hpp"
#include "virgl/worker.hpp"

int main(int argc, char** argv) {
    return hvisor::helper::run({.name = "hvisor-gpu-render",
                                .purpose = "Draw in three dimensions for zones, for hvisord",
                                .unit = "hvisor-gpu-render.socket",
                                .socket = "gpu-render",
                                .group = "render",
                                .serve = hvisor::virgl::serve_device},
                               argc, argv);
}
