// SPDX-License-Identifier: Apache-2.0
/*
 * A file through a socket of the family AF_VSOCK:
 *
 *   vsock_copy send|receive CID PORT    connect to PORT of CID
 *   vsock_copy send|receive listen PORT wait for one who connects
 *
 * Sends standard input to its end and waits until the other has closed, or
 * receives to standard output. Who connects tries for a while, as the other may
 * not listen yet.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

enum { tries = 100, pause_ms = 100 };

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "vsock_copy: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int make_socket(void)
{
	int fd = socket(AF_VSOCK, SOCK_STREAM, 0);

	if (fd < 0)
		die("socket");
	return fd;
}

static int accept_one(struct sockaddr_vm address)
{
	int fd = make_socket(), peer;

	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 1))
		die("listen");
	peer = accept(fd, NULL, NULL);
	if (peer < 0)
		die("accept");
	close(fd);
	return peer;
}

static int connect_to(struct sockaddr_vm address)
{
	for (int i = 0; i < tries; ++i) {
		const struct timespec pause = { .tv_nsec = pause_ms * 1000000L };
		int fd = make_socket();

		if (!connect(fd, (struct sockaddr *)&address, sizeof(address)))
			return fd;
		close(fd);
		nanosleep(&pause, NULL);
	}
	die("connect");
}

static void copy(int from, int to)
{
	static char buffer[65536];
	ssize_t count, done;

	while ((count = read(from, buffer, sizeof(buffer))) > 0) {
		for (ssize_t at = 0; at < count; at += done) {
			done = write(to, buffer + at, (size_t)(count - at));
			if (done < 0)
				die("write");
		}
	}
	if (count < 0)
		die("read");
}

int main(int argc, char **argv)
{
	struct sockaddr_vm address = { .svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY };
	const bool sends = argc == 4 && strcmp(argv[1], "send") == 0;
	const bool listens = argc == 4 && strcmp(argv[2], "listen") == 0;
	char byte;
	int fd;

	if (argc != 4 || (!sends && strcmp(argv[1], "receive") != 0)) {
		fputs("usage: vsock_copy send|receive CID|listen PORT\n", stderr);
		return 2;
	}
	if (!listens)
		address.svm_cid = (unsigned int)strtoul(argv[2], NULL, 0);
	address.svm_port = (unsigned int)strtoul(argv[3], NULL, 0);
	fd = listens ? accept_one(address) : connect_to(address);
	if (!sends) {
		copy(fd, STDOUT_FILENO);
		return 0;
	}
	copy(STDIN_FILENO, fd);
	if (shutdown(fd, SHUT_WR) || read(fd, &byte, 1) != 0)
		die("end of the connection");
	return 0;
}
