#!/usr/bin/env python3
"""Count the system calls that casbah makes for one proxied request, with strace.

    syscalls.py [--casbah PATH] [--engine E] [-s SCENARIO] [-d SECONDS] [--limit 4.1]

Exits 1 if casbah moves octets in more than --limit calls per request: read, recv*, write, send*, splice and
their like, on sockets and pipes of splice, those that find nothing (EAGAIN) included. Reading and writing
eventfds and files is no data call; it is listed with the others, epoll_wait first among them.

Every call of casbah is traced while the load generator runs SCENARIO of compare.py (default ka1k) for --duration
seconds. Requests are counted by casbah itself, so that those which the end of the load cuts off count as well. The
connections are opened under trace too: the shorter the run, the more their handshakes add to each request.
Tracing slows casbah down by far more than ten times, so more is ready each time that it looks: epoll_wait and
futex are rarer per request than without. Data calls do not depend on that; CPU and rates here mean nothing.
Needs strace (make bench-syscalls installs it) and the right to trace.
"""
import collections
import os
import re
import signal
import sys
import time

import rig

DATA = {"read", "readv", "recv", "recvfrom", "recvmsg", "recvmmsg", "write", "writev", "send", "sendto", "sendmsg", "sendmmsg",
        "sendfile", "splice", "vmsplice", "tee", "io_uring_enter"}
CALL = re.compile(r"^\d+ +(\w+)\((.*)")
RESUMED = re.compile(r"^\d+ +<\.\.\. (\w+) resumed>.* = -1 EAGAIN ")
MOVES = re.compile(r"<(?:socket|TCP|UNIX|pipe)[^>]*>")


def trace(r, pid, run):
    """Trace pid while run() runs; returns the lines and what run returned."""
    path = f"{r.dir}/strace.out"
    tracer = r.start("strace", ["strace", "-f", "-y", "-s", "0", "-e", "signal=none", "-o", path, "-p", str(pid)], rig.LOAD_CORE)
    for _ in range(100):
        if "attached" in tracer.tail():
            break
        if not tracer.running():
            sys.exit(f"strace does not trace: {tracer.tail().strip()}")
        time.sleep(0.1)
    got = run()
    os.kill(tracer.pid, signal.SIGINT)
    tracer.popen.wait(30)
    with open(path, errors="replace") as f:
        return f.readlines(), got


def count(lines):
    """Calls by name, those that move octets apart, and of these how often they found nothing."""
    data, other, idle = collections.Counter(), collections.Counter(), collections.Counter()
    for line in lines:
        if m := CALL.match(line):
            moves = m[1] in DATA and MOVES.search(m[2])
            (data if moves else other)[m[1]] += 1
            if moves and " = -1 EAGAIN " in m[2]:
                idle[m[1]] += 1
        elif (m := RESUMED.match(line)) and m[1] in DATA:
            idle[m[1]] += 1
    return data, other, idle


def requests(proxy):
    return sum(v["requests"] for v in proxy.status()["vips"])


def main():
    ap = rig.options(__doc__)
    ap.add_argument("-s", "--scenario", default="ka1k", choices=sorted(rig.SCENARIOS), help="what the clients do (default ka1k)")
    ap.add_argument("-d", "--duration", type=float, default=3, help="seconds under trace (default 3)")
    ap.add_argument("--limit", type=float, default=4.1, help="data calls per request (default 4.1)")
    a = ap.parse_args()
    kind, args = rig.SCENARIOS[a.scenario]
    if "-H" in args:
        sys.exit(f"{a.scenario} makes no requests")
    with rig.Rig(a.casbah, a.engine) as r:
        proxy = r.casbah()
        r.load(proxy.ports[kind], args, 0.3)
        before = requests(proxy)
        lines, got = trace(r, proxy.pid, lambda: r.load(proxy.ports[kind], args, a.duration))
        n = requests(proxy) - before
    if not n or got["errs"]:
        sys.exit(f"{n} requests and {got['errs']:.0f} errors: nothing to count")
    data, other, idle = count(lines)
    total = sum(data.values()) / n
    print(f"{a.scenario}: {n} requests ({got['done']:.0f} of them answered before the end of the load)")
    print(f"{'per request':>12} {'found nothing':>14}  call")
    for name, calls in data.most_common():
        print(f"{calls / n:12.3f} {idle[name] / n:14.3f}  {name}")
    print(f"{total:12.3f} {sum(idle.values()) / n:14.3f}  data calls, limit {a.limit:g}\n")
    rows = sorted(other.items(), key=lambda c: (not c[0].startswith("epoll_"), -c[1]))
    for name, calls in (r for r in rows if r[1] / n >= 0.001):
        print(f"{calls / n:12.3f} {'':14}  {name}")
    print(f"{sum(other.values()) / n:12.3f} {'':14}  other calls")
    figures = dict(scenario=a.scenario, requests=n, data={k: v / n for k, v in data.items()}, other={k: v / n for k, v in other.items()})
    rig.finish(a.json, figures, [f"{total:.3f} data calls per request; at most {a.limit:g} are allowed"] if total > a.limit else [])


main()
