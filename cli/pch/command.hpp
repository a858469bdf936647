// SPDX-License-Identifier: Apache-2.0
#pragma once

// As daemon/pch/standard.hpp, for hvisorctl.
#include "../../daemon/pch/bus.hpp"

#include <CLI/CLI.hpp>
