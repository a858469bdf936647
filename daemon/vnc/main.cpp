// SPDX-License-Identifier: Apache-2.0
#include "helper/program.hpp"
#include "vnc/display_server.hpp"

#include <cstdarg>
#include <rfb/rfb.h>
#include <utility>

namespace hvisor::vnc {
namespace {

/// libvncserver tells of every connection what it negotiates.
void say_nothing(const char* /*format*/, ...) {} // NOLINT(cert-dcl50-cpp): as the library wants it

} // namespace
} // namespace hvisor::vnc

int main(int argc, char** argv) {
    return hvisor::helper::run({.name = "hvisor-vnc",
                                .purpose = "Show screens of zones to VNC viewers, for hvisord",
                                .unit = "hvisor-vnc.socket",
                                .socket = "vnc-server",
                                .group = "",
                                .serve =
                                    [](hvisor::UniqueFd hvisord) {
                                        rfbLog = hvisor::vnc::say_nothing;
                                        rfbErr = hvisor::vnc::say_nothing;
                                        return hvisor::vnc::serve_display(std::move(hvisord));
                                    }},
                               argc, argv);
}
