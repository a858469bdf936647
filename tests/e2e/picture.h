/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The picture that zones of the scenarios draw, whatever they run; display.py has it too.
 *
 *   whole    a picture that no swap of colours and no shift of rows leaves as it is
 *   parts    some rectangles of it inverted, each told to the driver alone
 */
#ifndef HVISORD_TESTS_PICTURE_H
#define HVISORD_TESTS_PICTURE_H

#include <stdint.h>

/* A rectangle of pixels, without its right column and its lower row. */
struct picture_part {
	uint16_t left, top, right, bottom;
};

enum { picture_bar_top = 16, picture_bar_bottom = 48, picture_bars = 8, picture_parts = 3 };

/* A pixel of the whole picture as 0xRRGGBB. */
static inline uint32_t picture_pixel(uint32_t x, uint32_t y, uint32_t width, uint32_t height)
{
	static const uint32_t colours[picture_bars] = { 0xff0000, 0x00ff00, 0x0000ff, 0x00ffff,
							0xff00ff, 0xffff00, 0xffffff, 0x000000 };

	if (!x || !y || x == width - 1 || y == height - 1)
		return 0xffffff;
	if (y >= picture_bar_top && y < picture_bar_bottom)
		return colours[x * picture_bars / width];
	if (x == y)
		return 0xffff00;
	return (x / 3 * 5 & 0xff) << 16 | (y / 2 * 3 & 0xff) << 8 | (((x >> 4) ^ (y >> 4)) * 8 & 0xff);
}

/* One of the rectangles that "parts" inverts. */
static inline struct picture_part picture_part(unsigned int which, uint16_t width, uint16_t height)
{
	const struct picture_part parts[picture_parts] = {
		{ 0, 0, 1, 1 },
		{ 101, 67, 312, 100 },
		{ (uint16_t)(width - 13), (uint16_t)(height - 7), width, height },
	};

	return parts[which];
}

#endif
