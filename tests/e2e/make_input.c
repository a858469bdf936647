// SPDX-License-Identifier: Apache-2.0
/*
 * A keyboard with a tablet, made by the kernel's uinput, for as long as this runs:
 *
 *   make_input
 *
 * Each line of its input, "TYPE CODE VALUE" in numbers of linux/input-event-codes.h,
 * is an event, and each event that somebody sends to it a line of its output.
 */
#include <fcntl.h>
#include <linux/uinput.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static void must(int result, const char* what)
{
	if (result < 0) {
		perror(what);
		exit(1);
	}
}

static int make_device(void)
{
	static const int keys[] = { KEY_A, KEY_B, KEY_LEFTCTRL, BTN_LEFT, BTN_RIGHT };
	struct uinput_setup setup = { .id = { .bustype = BUS_USB, .vendor = 0x1234, .product = 0x5678 } };
	int fd = open("/dev/uinput", O_RDWR);

	must(fd, "/dev/uinput");
	must(ioctl(fd, UI_SET_EVBIT, EV_KEY), "EV_KEY");
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		must(ioctl(fd, UI_SET_KEYBIT, keys[i]), "a key");
	must(ioctl(fd, UI_SET_EVBIT, EV_LED), "EV_LED");
	must(ioctl(fd, UI_SET_LEDBIT, LED_CAPSL), "a LED");
	must(ioctl(fd, UI_SET_EVBIT, EV_ABS), "EV_ABS");
	for (int axis = ABS_X; axis <= ABS_Y; axis++) {
		struct uinput_abs_setup range = { .code = axis, .absinfo = { .maximum = 1000 } };

		must(ioctl(fd, UI_ABS_SETUP, &range), "an axis");
	}
	strcpy(setup.name, "made for a test");
	must(ioctl(fd, UI_DEV_SETUP, &setup), "UI_DEV_SETUP");
	must(ioctl(fd, UI_DEV_CREATE), "UI_DEV_CREATE");
	return fd;
}

int main(void)
{
	int fd = make_device();
	struct pollfd wait[] = { { .fd = STDIN_FILENO, .events = POLLIN }, { .fd = fd, .events = POLLIN } };
	char line[80];

	setvbuf(stdin, NULL, _IONBF, 0);
	setvbuf(stdout, NULL, _IOLBF, 0);
	puts("made");
	while (poll(wait, 2, -1) >= 0) {
		struct input_event event = { 0 };
		unsigned int type, code;
		int value;

		if (wait[1].revents & POLLIN) {
			must(read(fd, &event, sizeof(event)), "read");
			printf("%u %u %d\n", event.type, event.code, event.value);
		}
		if (wait[0].revents & (POLLIN | POLLHUP)) {
			if (!fgets(line, sizeof(line), stdin))
				return 0;
			if (sscanf(line, "%u %u %d", &type, &code, &value) != 3)
				continue;
			event.type = type;
			event.code = code;
			event.value = value;
			must(write(fd, &event, sizeof(event)), "write");
		}
	}
	return 1;
}
