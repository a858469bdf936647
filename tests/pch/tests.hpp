// SPDX-License-Identifier: Apache-2.0
#pragma once

// As daemon/pch/standard.hpp, for tests.
#include "../../daemon/pch/standard.hpp"

#include <catch2/catch_test_macros.hpp>
