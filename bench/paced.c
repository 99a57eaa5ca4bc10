// paced.c - open-loop load at a fixed rate (one thread, epoll): requests on kept connections, or full TLS handshakes.
// Options: -p PORT -r PER_SECOND -d SECONDS -c CONNS -H (handshakes: each arrival opens a connection, makes a full
//   TLS 1.3 handshake and resets it; without -H each is a GET of 1 KiB on one of CONNS kept plain connections)
// Arrivals are random, with exponential gaps from a fixed seed: the same for every proxy, and in bunches as they come from
// many clients. A time runs from the arrival, also while CONNS are busy, so a slow proxy cannot hide behind waiting clients.
// Output: one line of key=value pairs; due are the arrivals, left those without an answer at the end.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

struct conn { int fd, len, head; long left, since; SSL *ssl; char in[4096]; char req[512]; int reqLen; };
static int port, nconn = 32, handshakes, ep, nfree;
static double rate = 100, dur = 1;
static struct conn *C; static int *freeList; static SSL_CTX *ctx;
static long *due, nDue, nextDue, begun; // arrivals: their times, how many, how many have come, how many are taken up
static long *took, done, errs;
static char scratch[65536];

static long now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec * 1000000000L + t.tv_nsec; }
static int ascending(const void *a, const void *b) { long x = *(const long *)a, y = *(const long *)b; return (x > y) - (x < y); }
static double percentile(double p) { if (!done) return 0; long i = (long)ceil(p * done) - 1; return took[i < 0 ? 0 : i] / 1e3; }

// schedule draws all arrivals, from t0 on.
static void schedule(long t0) {
	unsigned short seed[3] = {1, 2, 3};
	long room = (long)(rate * dur * 1.5) + 1000;
	due = malloc(room * sizeof *due); took = malloc(room * sizeof *took);
	for (double t = 0; nDue < room;) {
		t += -log(1 - erand48(seed)) / rate;
		if (t >= dur) return;
		due[nDue++] = t0 + (long)(t * 1e9);
	}
}
static void dial(struct conn *c) {
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (c->fd < 0) { perror("socket"); exit(1); }
	int one = 1; setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	if (connect(c->fd, (void *)&a, sizeof a) && errno != EINPROGRESS) { perror("connect"); exit(1); }
	struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c};
	epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &e);
}
static void hangUp(struct conn *c) {
	if (c->ssl) { SSL_set_shutdown(c->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN); SSL_free(c->ssl); c->ssl = 0; }
	struct linger l = {1, 0}; setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &l, sizeof l); // RST: no TIME_WAIT here
	close(c->fd); c->fd = -1;
}
static void release(struct conn *c) { c->since = 0; freeList[nfree++] = c - C; }
static void fail(struct conn *c) {
	int busy = c->since != 0;
	errs++; hangUp(c);
	if (errs > 20000) { fprintf(stderr, "too many errors\n"); exit(1); }
	if (!handshakes) dial(c);
	if (busy) release(c);
}
static void complete(struct conn *c) {
	took[done++] = now() - c->since;
	if (handshakes) hangUp(c);
	release(c);
}
// begin gives the arrivals that wait to free connections.
static void begin(void) {
	while (begun < nextDue && nfree) {
		struct conn *c = &C[freeList[--nfree]];
		c->since = due[begun++]; c->len = c->head = 0;
		if (!handshakes) { if (send(c->fd, c->req, c->reqLen, MSG_NOSIGNAL) != c->reqLen) fail(c); continue; }
		dial(c);
		c->ssl = SSL_new(ctx); SSL_set_fd(c->ssl, c->fd); SSL_set_connect_state(c->ssl); SSL_set_tlsext_host_name(c->ssl, "mail.example.test");
	}
}
static void handshake(struct conn *c, unsigned events) {
	if (events & (EPOLLERR | EPOLLHUP)) { fail(c); return; }
	int r = SSL_do_handshake(c->ssl);
	if (r == 1) { complete(c); return; }
	int e = SSL_get_error(c->ssl, r);
	if (e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE) return;
	ERR_clear_error(); fail(c);
}
static void answer(struct conn *c) {
	for (;;) {
		int r = c->head ? recv(c->fd, scratch, sizeof scratch, 0) : recv(c->fd, c->in + c->len, sizeof c->in - 1 - c->len, 0);
		if (r < 0 && errno == EAGAIN) return;
		if (r <= 0) { fail(c); return; }
		if (!c->since) { fail(c); return; } // nothing was asked
		if (c->head) c->left -= r;
		else {
			c->len += r; c->in[c->len] = 0;
			char *e = strstr(c->in, "\r\n\r\n");
			if (!e && c->len == sizeof c->in - 1) { fail(c); return; }
			if (!e) continue;
			char *cl = strcasestr(c->in, "\r\ncontent-length:");
			if (strncmp(c->in, "HTTP/1.1 200", 12) || !cl) { fail(c); return; }
			c->head = 1; c->left = atol(cl + 17) - (c->len - (e + 4 - c->in));
		}
		if (c->head && c->left <= 0) { complete(c); return; }
	}
}
static void prepare(void) {
	ep = epoll_create1(0); C = calloc(nconn, sizeof *C); freeList = calloc(nconn, sizeof *freeList);
	if (handshakes) {
		ctx = SSL_CTX_new(TLS_client_method());
		SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION); SSL_CTX_set1_groups_list(ctx, "X25519"); SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256");
	}
	for (int i = 0; i < nconn; i++) {
		C[i].reqLen = snprintf(C[i].req, sizeof C[i].req, "GET /owa/ HTTP/1.1\r\nHost: mail.example.test\r\nAccept: */*\r\n"
			"Cookie: ClientId=ABCDEF; UserContext=%032x\r\n\r\n", i * 2654435761u);
		if (!handshakes) dial(&C[i]);
		freeList[nfree++] = i;
	}
	if (!handshakes) usleep(100000); // a handshake of TCP with each
}
// arm has the timer tell of the next arrival, or of the end.
static void arm(int timer, long end) {
	long t = nextDue < nDue ? due[nextDue] : end;
	struct itimerspec s = {.it_value = {t / 1000000000L, t % 1000000000L}};
	timerfd_settime(timer, TFD_TIMER_ABSTIME, &s, 0);
}
int main(int ac, char **av) {
	for (int o; (o = getopt(ac, av, "p:r:d:c:H")) != -1;) switch (o) {
		case 'p': port = atoi(optarg); break; case 'r': rate = atof(optarg); break; case 'd': dur = atof(optarg); break;
		case 'c': nconn = atoi(optarg); break; case 'H': handshakes = 1; break; default: return 2;
	}
	if (port <= 0 || rate <= 0 || dur <= 0 || nconn <= 0) { fprintf(stderr, "usage: paced -p PORT -r PER_SECOND -d SECONDS [-c CONNS] [-H]\n"); return 2; }
	prepare();
	long t0 = now(), end = t0 + (long)(dur * 1e9), over = end + 2000000000L; // two seconds for the last answers
	schedule(t0);
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	struct epoll_event e = {.events = EPOLLIN, .data.ptr = 0}, ev[256];
	epoll_ctl(ep, EPOLL_CTL_ADD, timer, &e);
	arm(timer, end);
	for (long t = now(); t < over && (t < end || done + errs < nDue); t = now()) {
		int n = epoll_wait(ep, ev, 256, 100);
		for (int i = 0; i < n; i++) {
			struct conn *c = ev[i].data.ptr;
			if (!c) { long ticks; if (read(timer, &ticks, sizeof ticks) < 0) continue; t = now(); while (nextDue < nDue && due[nextDue] <= t) nextDue++; arm(timer, nextDue < nDue ? 0 : over); continue; }
			if (c->fd < 0) continue;
			if (c->ssl) handshake(c, ev[i].events);
			else if (ev[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP)) answer(c);
		}
		begin();
	}
	qsort(took, done, sizeof *took, ascending);
	printf("done=%ld due=%ld left=%ld errs=%ld rps=%.1f p50us=%.1f p99us=%.1f maxus=%.1f\n", done, nDue, nDue - done, errs, done / dur, percentile(.5), percentile(.99), percentile(1));
}
