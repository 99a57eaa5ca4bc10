#!/usr/bin/env python3
"""Measure a table of a million bindings, casbah beside HAProxy.

    table.py [--casbah PATH] [--engine E] [--keys N] [-n ROUNDS] [-d SECONDS] [--settle SECONDS] [--memory 0.5] [--cpu 1.0]

Both keep a client on its server by the cookie UserContext of 32 digits; HAProxy in a stick table of strings of exactly
that length, which is the least that it can be asked for, and with http-reuse always, since the cookie chooses another server
for each request. Both get a short warm-up, then every one of --keys cookies once, each on
some of 64 kept connections. The memory of a binding is (RSS after - RSS before) / bindings, in octets, where RSS is of
/proc/PID/smaps_rollup and "after" is --settle seconds after the last request; how many bindings there are is asked of the proxies.

Then requests with cookies drawn at random, of all and of the first 1000 alone, which the processor's caches hold: the
difference is what the size of the table costs. Every round runs each proxy once with each, in turn. The figure is CPU of
the proxy per 100,000 requests; ratios are taken inside a round, and the median over the rounds is reported.

casbah's memory holds what its garbage collector has not given back: GOGC and GOMEMLIMIT are taken from the environment
and printed. Each proxy has core 1, clients and servers share core 0. Exits 1 if the ratio of casbah to HAProxy is
above --memory or, with all keys, above --cpu. Needs what compare.py needs.
"""
import re
import socket
import statistics
import time

import rig

FEW = 1000  # keys that fit in the caches
MOST = 1_000_000  # bindings for each core that casbah can be configured for; it has one core here


def stick_table(r, keys):
    """compare.py's HAProxy with a table for so many cookies, and a socket that tells of it."""
    sock = f"{r.dir}/haproxy.sock"
    was = rig.compare.HAPROXY, rig.compare.HAPROXY_HTTP
    try:
        rig.compare.HAPROXY = rig._replaced(was[0], "global\n", f"global\n    stats socket {sock}\n")
        rig.compare.HAPROXY_HTTP = rig._replaced(was[1], "string len 64 size 1m expire 30m", f"string len 32 size {keys + 1000} expire 8h")
        return r.haproxy(reuse="always"), sock
    finally:
        rig.compare.HAPROXY, rig.compare.HAPROXY_HTTP = was


def entries(sock):
    """How many entries HAProxy's table of cookies has."""
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(sock)
        s.sendall(b"show table\n")
        text = b"".join(iter(lambda: s.recv(65536), b"")).decode()
    return int(re.search(r"type: string, .*used:(\d+)", text)[1])


def fill(r, proxy, bindings, keys, settle):
    """Let a proxy bind all keys; returns octets of memory before and after."""
    port = proxy.ports["plain"]
    r.load(port, "-c 64 -k", 0.5)
    time.sleep(1)
    before, held = proxy.memory()[0], bindings()
    r.load(port, f"-c 64 -K {keys} -q", 600)
    time.sleep(settle)
    if (n := bindings() - held) < keys * 0.999:  # a key of the warm-up may be among them
        raise RuntimeError(f"{proxy.name}: {n} bindings instead of {keys}\n{proxy.tail()}")
    return before, proxy.memory()[0]


def cpu(r, proxy, keys, seconds):
    """CPU seconds per 100,000 requests."""
    before = proxy.cpu()
    got = r.load(proxy.ports["plain"], f"-c 64 -K {keys}", seconds)
    if not got["done"] or got["errs"]:
        raise RuntimeError(f"{proxy.name}: {got['done']:.0f} requests, {got['errs']:.0f} errors")
    return (proxy.cpu() - before) / got["done"] * 1e5


def main():
    ap = rig.options(__doc__)
    ap.add_argument("--keys", type=int, default=1_000_000, help="bindings (default 1000000)")
    ap.add_argument("-n", type=int, default=7, help="rounds (default 7)")
    ap.add_argument("-d", "--duration", type=float, default=1, help="seconds a run (default 1)")
    ap.add_argument("--settle", type=float, default=5, help="seconds from the last binding to the figure (default 5)")
    ap.add_argument("--memory", type=float, default=0.5, help="limit of the ratio of memory (default 0.5)")
    ap.add_argument("--cpu", type=float, default=1.0, help="limit of the ratio of CPU with all keys (default 1.0)")
    a = ap.parse_args()
    rig.need_fds(4096)
    complaints, out = [], dict(environment=rig.environment(), keys=a.keys)
    print(out["environment"])
    with rig.Rig(a.casbah, a.engine) as r:
        haproxy, sock = stick_table(r, a.keys)
        casbah = r.casbah(limits=f"{{ bindings = {min(a.keys + 1000, MOST)} }}")
        print(f"{'proxy':8} {'bindings':>9} {'octets each':>11} {'RSS before, MB':>14} {'after, MB':>10}")
        each = {}
        for p, bindings in ((haproxy, lambda: entries(sock)), (casbah, lambda: casbah.status()["table"]["bindings"])):
            before, after = fill(r, p, bindings, a.keys, a.settle)
            each[p.name] = (after - before) / a.keys
            out[p.name] = dict(octets=each[p.name], before=before, after=after)
            print(f"{p.name:8} {bindings():9} {each[p.name]:11.0f} {before / 1e6:14.1f} {after / 1e6:10.1f}", flush=True)
        out["memory"] = each["casbah"] / each["haproxy"]
        out["cpu"] = {}
        print(f"\nCPU s per 100,000 requests\n{'keys':>9} {'haproxy':>8} {'casbah':>7} {'ratio':>6}")
        rows = {FEW: [], a.keys: []}
        for _ in range(a.n):
            for keys, row in rows.items():
                row.append((cpu(r, haproxy, keys, a.duration), cpu(r, casbah, keys, a.duration)))
        for keys, row in rows.items():
            ratio = statistics.median(c / h for h, c in row)
            out["cpu"][keys] = dict(haproxy=statistics.median(h for h, _ in row), casbah=statistics.median(c for _, c in row), ratio=ratio)
            print(f"{keys:9} {out['cpu'][keys]['haproxy']:8.3f} {out['cpu'][keys]['casbah']:7.3f} {ratio:6.2f}")
    if out["memory"] > a.memory:
        complaints.append(f"a binding takes {out['memory']:.2f} of HAProxy's memory; at most {a.memory:g} is allowed")
    if out["cpu"][a.keys]["ratio"] > a.cpu:
        complaints.append(f"a request takes {out['cpu'][a.keys]['ratio']:.2f} of HAProxy's CPU; at most {a.cpu:g} is allowed")
    rig.finish(a.json, out, complaints)


main()
