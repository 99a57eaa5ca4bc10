// floor.c - the least that a proxy of kept connections can do (one thread, epoll, edge triggered): it pairs each client
// connection with one server connection and passes on what one read brings by one write. It reads no HTTP, keeps no client on
// a server, has no limit, no timer and no recovery: what it takes is what the kernel takes for two reads and two writes.
// Usage: floor PORT SERVER_PORT...
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FDS = 65536, MOST = 4096, EVENTS = 256 };
static int peer[FDS], length[FDS];
static char octets[FDS][MOST]; // pages come into being as connections use them

static struct sockaddr_in loopback(int port) {
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	return a;
}

static void fail(const char *what) { perror(what); exit(1); }

static void watch(int ep, int fd) {
	int one = 1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.fd = fd};
	if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e)) fail("epoll_ctl");
}

static void admit(int ep, int client, int server_port) {
	struct sockaddr_in to = loopback(server_port);
	int server = socket(AF_INET, SOCK_STREAM, 0);
	if (server < 0 || client >= FDS || server >= FDS || connect(server, (struct sockaddr *)&to, sizeof to)) fail("connect");
	peer[client] = server, peer[server] = client;
	watch(ep, client), watch(ep, server);
}

int main(int argc, char **argv) {
	if (argc < 3) { fprintf(stderr, "usage: floor PORT SERVER_PORT...\n"); return 2; }
	int one = 1, next = 0, ep = epoll_create1(0), door = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	struct sockaddr_in at = loopback(atoi(argv[1]));
	setsockopt(door, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(door, (struct sockaddr *)&at, sizeof at) || listen(door, 1024)) fail("listen");
	struct epoll_event e = {.events = EPOLLIN, .data.fd = door}, ev[EVENTS];
	epoll_ctl(ep, EPOLL_CTL_ADD, door, &e);
	for (;;) {
		int n = epoll_wait(ep, ev, EVENTS, -1), ready[EVENTS], count = 0;
		for (int i = 0; i < n; i++) {
			int fd = ev[i].data.fd, client;
			if (fd == door) {
				while ((client = accept4(door, NULL, NULL, SOCK_NONBLOCK)) >= 0) admit(ep, client, atoi(argv[2 + next++ % (argc - 2)]));
				continue;
			}
			if (!(ev[i].events & EPOLLIN) || peer[fd] < 0) continue;
			ssize_t got = recv(fd, octets[fd], MOST, MSG_DONTWAIT);
			if (got > 0) length[fd] = got, ready[count++] = fd;
			else if (got == 0) {
				int other = peer[fd];
				peer[fd] = peer[other] = -1;
				close(fd), close(other);
			}
		}
		for (int i = 0; i < count; i++) // readers first: what follows finds its peers awake
			if (peer[ready[i]] >= 0 && send(peer[ready[i]], octets[ready[i]], length[ready[i]], MSG_NOSIGNAL) < 0) fail("send");
	}
}
