// SPDX-License-Identifier: Apache-2.0
#pragma once

// As standard.hpp, for what talks D-Bus.
#include "standard.hpp"

#include <sdbus-c++/sdbus-c++.h>
