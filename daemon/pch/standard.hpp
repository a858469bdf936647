// SPDX-License-Identifier: Apache-2.0
#pragma once

// Compiled once for each large target, for tests and the emulated board (b_pch): reading
// these is a quarter of the time a source takes. Packages are built without it, so every
// file still has to include what it uses.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <expected>
#include <filesystem>
#include <format>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <print>
#include <ranges>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <variant>
#include <vector>
