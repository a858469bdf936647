// SPDX-License-Identifier: Apache-2.0
/*
 * Draws on a zone's display by mode setting, past its console:
 *
 *   draw_picture [CARD]
 *
 * Takes the first connector with a display, in the mode that it prefers, says
 * "WIDTH x HEIGHT", and draws what each line of standard input names:
 *
 *   whole, parts    as in picture.h
 *   pointer         a block over the picture that the mouse would move
 *
 * and says the same word when the driver has taken it. Ends with its input,
 * which gives the display back to the console.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <drm/drm.h>
#include <drm/drm_mode.h>

#include "picture.h"

enum { most = 16, pointer_side = 64, pointer_block = 16, pointer_x = 30, pointer_y = 60 };

static const uint32_t pointer_colour = 0xff12ab34;

struct screen {
	int fd;
	uint32_t connector, crtc, framebuffer;
	struct drm_mode_modeinfo mode;
	uint32_t stride;
	uint8_t *pixels;
};

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "draw_picture: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void call(int fd, unsigned long request, void *argument, const char *what)
{
	if (ioctl(fd, request, argument))
		die(what);
}

/* The connector's preferred mode is its first one. */
static int find_mode(struct screen *screen, uint32_t connector)
{
	static struct drm_mode_modeinfo modes[128];
	struct drm_mode_get_connector get = { .connector_id = connector };

	call(screen->fd, DRM_IOCTL_MODE_GETCONNECTOR, &get, "GETCONNECTOR");
	if (get.connection != 1 || !get.count_modes)
		return 0;
	if (get.count_modes > sizeof(modes) / sizeof(*modes))
		get.count_modes = sizeof(modes) / sizeof(*modes);
	get.modes_ptr = (uintptr_t)modes;
	get.count_props = get.count_encoders = 0;
	call(screen->fd, DRM_IOCTL_MODE_GETCONNECTOR, &get, "GETCONNECTOR");
	screen->connector = connector;
	screen->mode = modes[0];
	return 1;
}

static void find_display(struct screen *screen)
{
	uint32_t crtcs[most], connectors[most];
	struct drm_mode_card_res resources = {
		.crtc_id_ptr = (uintptr_t)crtcs,
		.connector_id_ptr = (uintptr_t)connectors,
		.count_crtcs = most,
		.count_connectors = most,
	};

	call(screen->fd, DRM_IOCTL_MODE_GETRESOURCES, &resources, "GETRESOURCES");
	for (uint32_t i = 0; i < resources.count_connectors && i < resources.count_crtcs; ++i) {
		if (find_mode(screen, connectors[i])) {
			screen->crtc = crtcs[i];
			return;
		}
	}
	errno = ENODEV;
	die("no display");
}

/* Its pixels; the kernel fills in the rest of what is to be made. */
static uint8_t *make_buffer(int fd, struct drm_mode_create_dumb *create)
{
	struct drm_mode_map_dumb map = { 0 };
	uint8_t *pixels;

	call(fd, DRM_IOCTL_MODE_CREATE_DUMB, create, "CREATE_DUMB");
	map.handle = create->handle;
	call(fd, DRM_IOCTL_MODE_MAP_DUMB, &map, "MAP_DUMB");
	pixels = mmap(NULL, create->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)map.offset);
	if (pixels == MAP_FAILED)
		die("mmap");
	return pixels;
}

static void make_framebuffer(struct screen *screen)
{
	struct drm_mode_create_dumb create = {
		.width = screen->mode.hdisplay,
		.height = screen->mode.vdisplay,
		.bpp = 32,
	};
	struct drm_mode_fb_cmd add = { .bpp = 32, .depth = 24 };

	screen->pixels = make_buffer(screen->fd, &create);
	add.width = create.width;
	add.height = create.height;
	add.pitch = create.pitch;
	add.handle = create.handle;
	call(screen->fd, DRM_IOCTL_MODE_ADDFB, &add, "ADDFB");
	screen->framebuffer = add.fb_id;
	screen->stride = create.pitch;
}

static uint32_t *at(struct screen *screen, uint32_t x, uint32_t y)
{
	return (uint32_t *)(screen->pixels + (size_t)y * screen->stride) + x;
}

static void draw_whole(struct screen *screen)
{
	const uint32_t width = screen->mode.hdisplay, height = screen->mode.vdisplay;
	struct drm_mode_crtc set = {
		.set_connectors_ptr = (uintptr_t)&screen->connector,
		.count_connectors = 1,
		.crtc_id = screen->crtc,
		.fb_id = screen->framebuffer,
		.mode_valid = 1,
		.mode = screen->mode,
	};

	for (uint32_t y = 0; y < height; ++y)
		for (uint32_t x = 0; x < width; ++x)
			*at(screen, x, y) = picture_pixel(x, y, width, height);
	call(screen->fd, DRM_IOCTL_MODE_SETCRTC, &set, "SETCRTC");
}

static void draw_parts(struct screen *screen)
{
	const uint16_t width = screen->mode.hdisplay, height = screen->mode.vdisplay;

	for (unsigned int i = 0; i < picture_parts; ++i) {
		const struct picture_part part = picture_part(i, width, height);
		struct drm_clip_rect clip = { part.left, part.top, part.right, part.bottom };
		struct drm_mode_fb_dirty_cmd dirty = {
			.fb_id = screen->framebuffer,
			.num_clips = 1,
			.clips_ptr = (uintptr_t)&clip,
		};

		for (uint32_t y = part.top; y < part.bottom; ++y)
			for (uint32_t x = part.left; x < part.right; ++x)
				*at(screen, x, y) ^= 0xffffff;
		call(screen->fd, DRM_IOCTL_MODE_DIRTYFB, &dirty, "DIRTYFB");
	}
}

static void draw_pointer(struct screen *screen)
{
	struct drm_mode_create_dumb create = { .width = pointer_side, .height = pointer_side, .bpp = 32 };
	struct drm_mode_cursor set = {
		.flags = DRM_MODE_CURSOR_BO | DRM_MODE_CURSOR_MOVE,
		.crtc_id = screen->crtc,
		.x = pointer_x,
		.y = pointer_y,
		.width = pointer_side,
		.height = pointer_side,
	};
	uint8_t *pixels = make_buffer(screen->fd, &create);

	set.handle = create.handle;
	for (uint32_t y = 0; y < pointer_block; ++y)
		for (uint32_t x = 0; x < pointer_block; ++x)
			((uint32_t *)(pixels + (size_t)y * create.pitch))[x] = pointer_colour;
	call(screen->fd, DRM_IOCTL_MODE_CURSOR, &set, "CURSOR");
}

int main(int argc, char **argv)
{
	const char *card = argc > 1 ? argv[1] : "/dev/dri/card0";
	struct screen screen = { .fd = open(card, O_RDWR | O_CLOEXEC) };
	char line[32];

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (screen.fd < 0)
		die(card);
	find_display(&screen);
	make_framebuffer(&screen);
	printf("%u x %u\n", screen.mode.hdisplay, screen.mode.vdisplay);
	while (fgets(line, sizeof(line), stdin)) {
		if (!strcmp(line, "whole\n"))
			draw_whole(&screen);
		else if (!strcmp(line, "parts\n"))
			draw_parts(&screen);
		else if (!strcmp(line, "pointer\n"))
			draw_pointer(&screen);
		else
			continue;
		fputs(line, stdout);
	}
	return 0;
}
