// SPDX-License-Identifier: Apache-2.0
/*
 * What draw_picture.c does under Linux, as a UEFI application: the firmware's drivers
 * show the picture and read the disk. Takes the smallest mode of the display, and draws
 * what the letter at the start of the disk's sector COMMANDS names, when that sector has
 * changed: 'w' for whole, 'p' for parts.
 *
 * The types are those of the UEFI specification 2.10, as far as they are needed: members
 * that are not have no types.
 */
#include <stddef.h>
#include <stdint.h>

#include "picture.h"

enum { commands = 8192, sector = 512, poll_us = 50 * 1000 };

struct guid {
	uint32_t a;
	uint16_t b, c;
	uint8_t d[8];
};

/* 12.9, EFI_GRAPHICS_OUTPUT_PROTOCOL; a pixel is 0x00RRGGBB. */
enum { blt_buffer_to_video = 2 };

struct graphics_mode {
	uint32_t version, width, height;
};

struct graphics_state {
	uint32_t modes, mode;
	const struct graphics_mode *info;
};

struct graphics {
	size_t (*query_mode)(struct graphics *self, uint32_t mode, size_t *bytes, struct graphics_mode **info);
	size_t (*set_mode)(struct graphics *self, uint32_t mode);
	size_t (*blt)(struct graphics *self, uint32_t *pixels, uint32_t operation, size_t source_x, size_t source_y,
		      size_t x, size_t y, size_t width, size_t height, size_t stride);
	const struct graphics_state *state;
};

/* 13.9, EFI_BLOCK_IO_PROTOCOL. */
struct block_media {
	uint32_t id;
};

struct block {
	uint64_t revision;
	const struct block_media *media;
	void *reset;
	size_t (*read)(struct block *self, uint32_t media, uint64_t lba, size_t bytes, void *buffer);
};

/* 4.4, EFI_BOOT_SERVICES. */
struct boot_services {
	uint8_t header[24];
	void *before_allocate_pool[5];
	size_t (*allocate_pool)(uint32_t type, size_t bytes, void **buffer);
	void *before_stall[22];
	size_t (*stall)(size_t microseconds);
	size_t (*set_watchdog_timer)(size_t seconds, uint64_t code, size_t bytes, uint16_t *data);
	void *before_locate_protocol[7];
	size_t (*locate_protocol)(const struct guid *protocol, void *registration, void **interface);
};

/* 4.3, EFI_SYSTEM_TABLE. */
struct system_table {
	uint8_t header[24];
	void *before_boot_services[9];
	struct boot_services *boot_services;
};

/* What is drawn on. */
struct screen {
	struct graphics *graphics;
	uint32_t width, height;
	uint32_t *pixels;
};

/* Each pixel will be compared, by a program that is slow at it. */
static void take_smallest_mode(struct graphics *graphics)
{
	uint32_t best = graphics->state->mode, least = UINT32_MAX;

	for (uint32_t mode = 0; mode < graphics->state->modes; ++mode) {
		struct graphics_mode *info;
		size_t bytes;

		if (!graphics->query_mode(graphics, mode, &bytes, &info) && info->width * info->height < least) {
			least = info->width * info->height;
			best = mode;
		}
	}
	graphics->set_mode(graphics, best);
}

static void show(struct screen *screen, uint32_t left, uint32_t top, uint32_t right, uint32_t bottom)
{
	screen->graphics->blt(screen->graphics, screen->pixels, blt_buffer_to_video, left, top, left, top,
			      right - left, bottom - top, screen->width * sizeof(*screen->pixels));
}

static void draw_whole(struct screen *screen)
{
	for (uint32_t y = 0; y < screen->height; ++y)
		for (uint32_t x = 0; x < screen->width; ++x)
			screen->pixels[y * screen->width + x] = picture_pixel(x, y, screen->width, screen->height);
	/* By rows, which is what a firmware's text console does. */
	for (uint32_t y = 0; y < screen->height; ++y)
		show(screen, 0, y, screen->width, y + 1);
}

static void draw_parts(struct screen *screen)
{
	for (unsigned int i = 0; i < picture_parts; ++i) {
		struct picture_part part = picture_part(i, (uint16_t)screen->width, (uint16_t)screen->height);

		for (uint32_t y = part.top; y < part.bottom; ++y)
			for (uint32_t x = part.left; x < part.right; ++x)
				screen->pixels[y * screen->width + x] ^= 0xffffff;
		show(screen, part.left, part.top, part.right, part.bottom);
	}
}

static _Noreturn void serve(struct boot_services *services, struct screen *screen, struct block *disk)
{
	static char command[sector], done;

	for (;; services->stall(poll_us)) {
		if (disk->read(disk, disk->media->id, commands, sizeof(command), command) || command[0] == done)
			continue;
		done = command[0];
		if (done == 'w')
			draw_whole(screen);
		else if (done == 'p')
			draw_parts(screen);
	}
}

size_t efi_main(void *image, struct system_table *table)
{
	static const struct guid graphics = { 0x9042a9de, 0x23dc, 0x4a38, { 0x96, 0xfb, 0x7a, 0xde, 0xd0, 0x80, 0x51, 0x6a } };
	static const struct guid block = { 0x964e5b21, 0x6459, 0x11d2, { 0x8e, 0x39, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b } };
	enum { loader_data = 2 };
	struct boot_services *services = table->boot_services;
	struct screen screen;
	struct block *disk;
	void *memory;
	size_t error;

	(void)image;
	/* A boot that takes five minutes counts as failed. */
	services->set_watchdog_timer(0, 0, 0, NULL);
	error = services->locate_protocol(&graphics, NULL, (void **)&screen.graphics);
	if (error)
		return error;
	error = services->locate_protocol(&block, NULL, (void **)&disk);
	if (error)
		return error;
	take_smallest_mode(screen.graphics);
	screen.width = screen.graphics->state->info->width;
	screen.height = screen.graphics->state->info->height;
	error = services->allocate_pool(loader_data, (size_t)screen.width * screen.height * sizeof(*screen.pixels), &memory);
	if (error)
		return error;
	screen.pixels = memory;
	serve(services, &screen, disk);
}
