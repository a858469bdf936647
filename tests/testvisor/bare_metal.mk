# SPDX-License-Identifier: Apache-2.0
# How bare-metal arm64 programs are compiled here.
CROSS_COMPILE ?= aarch64-linux-gnu-

CXX := $(CROSS_COMPILE)g++
OBJCOPY := $(CROSS_COMPILE)objcopy

FLAGS := -O2 -g -mgeneral-regs-only -mstrict-align -mno-outline-atomics \
	-ffreestanding -fno-pic -fno-stack-protector -fno-asynchronous-unwind-tables \
	-Wall -Wextra -Werror -MMD -MP
CXXFLAGS := $(FLAGS) -std=c++23 -fno-exceptions -fno-rtti -fno-threadsafe-statics \
	-fno-tree-loop-distribute-patterns -Wconversion -Wshadow -Wold-style-cast
LDFLAGS := -nostdlib -static -no-pie -Wl,--build-id=none -Wl,--fatal-warnings -Wl,-z,noexecstack \
	-Wl,--no-warn-rwx-segments
