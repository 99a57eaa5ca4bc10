#!/usr/bin/env python3
"""Measure what a flood of handshakes does to plain traffic, casbah against HAProxy.

    flood.py [--casbah PATH] [--engine E] [-n ROUNDS] [-d SECONDS] [-r HANDSHAKES] [-p REQUESTS] [-c CONNS] [--limit 1.5]

Full RSA-2048 handshakes and plain keep-alive requests (1 KiB, cookie stickiness) meet on one loop (casbah, loops = 1) or one
thread (HAProxy, nbthread 1), on core 1. Every round runs each proxy once, in turn. The figure is the p99 of the plain requests;
its ratio is taken inside a round, and the median over the rounds is reported. Exits 1 if that is above --limit.

Both loads arrive at a fixed rate, whatever the proxy does. Were the flood a closed loop, a proxy would look the better
the fewer handshakes it serves; so the rate is one that both sustain, the same handshakes arrive at the same times, and
a proxy that finishes less than 98% of them makes the run fail: ask for fewer with -r then. They arrive in bunches, as from many
clients, so at half load there are often several in the queue. The time of a request runs from the moment at which it was due, not
from when a connection was free for it. Errors fail the run too.

The default of 300 handshakes a second is about a third of a slow core for casbah, and a fifth for HAProxy, whose RSA is
faster. A request that is due while a signature is computed waits for its end: on such a core a millisecond.
With --closed N the flood is a closed loop of N handshakes at a time (loadgen -H), as many as the proxy can serve:
no fair comparison, but what an attacker does; handshakes per second stand beside it.

The clients, servers and the flood share core 0, the flood at a lower priority. Needs what compare.py needs.
"""
import statistics
import time

import rig

LEAST = 0.98  # of the handshakes that are due


def once(r, proxy, a):
    """One run against one proxy; returns its figures."""
    if a.closed:
        words = [f"{r.dir}/loadgen", "-p", str(proxy.ports["rsa"]), "-d", str(a.duration + 1), "-c", str(a.closed), "-T", "-H"]
    else:
        words = [f"{r.dir}/paced", "-p", str(proxy.ports["rsa"]), "-d", str(a.duration + 1), "-r", str(a.rate), "-c", "2000", "-H"]
    flood = r.start("flood", words, rig.LOAD_CORE, nice=5)
    time.sleep(0.5)
    words = [f"{r.dir}/paced", "-p", str(proxy.ports["plain"]), "-d", str(a.duration), "-r", str(a.plain), "-c", str(a.conns)]
    plain = r.start("plain", words, rig.LOAD_CORE).result(a.duration + 30)
    storm = flood.result(a.duration + 30)
    return dict(p50=plain["p50us"], p99=plain["p99us"], max=plain["maxus"], served=plain["done"] / plain["due"], rate=storm["rps"],
                sustained=storm["done"] / storm["due"] if "due" in storm else 1, errors=plain["errs"] + storm["errs"])


def main():
    ap = rig.options(__doc__)
    ap.add_argument("-n", type=int, default=5, help="rounds (default 5)")
    ap.add_argument("-d", "--duration", type=float, default=3, help="seconds a run (default 3)")
    ap.add_argument("-r", "--rate", type=float, default=300, help="handshakes per second (default 300)")
    ap.add_argument("-p", "--plain", type=float, default=1000, help="plain requests per second (default 1000)")
    ap.add_argument("-c", "--conns", type=int, default=32, help="kept connections of the plain client (default 32)")
    ap.add_argument("--closed", type=int, metavar="N", help="flood in a closed loop instead, N handshakes at a time")
    ap.add_argument("--limit", type=float, default=1.5, help="of the median ratio of p99 (default 1.5)")
    a = ap.parse_args()
    rig.need_fds(5000)
    complaints, rounds = [], []
    with rig.Rig(a.casbah, a.engine) as r:
        r.compile("paced", "-lssl", "-lcrypto", "-lm")
        proxies = [r.casbah(loops=1), r.haproxy()]
        print(f"{'round':>5} {'proxy':8} {'p50 us':>8} {'p99 us':>8} {'max us':>8} {'handshakes/s':>12} {'of due':>7} {'errors':>6} {'p99 ratio':>9}")
        for n in range(a.n):
            got = {p.name: once(r, p, a) for p in proxies}
            ratio = got["casbah"]["p99"] / got["haproxy"]["p99"]
            rounds.append(dict(got, ratio=ratio))
            for who, g in got.items():
                print(f"{n + 1:5} {who:8} {g['p50']:8.0f} {g['p99']:8.0f} {g['max']:8.0f} {g['rate']:12.1f} {g['sustained']:7.1%} {g['errors']:6.0f} "
                      f"{f'{ratio:.2f}' if who == 'casbah' else '':>9}", flush=True)
    for who in ("casbah", "haproxy"):
        if any(x[who]["errors"] for x in rounds):
            complaints.append(f"{who}: errors")
        if (least := min(min(x[who]["sustained"], x[who]["served"]) for x in rounds)) < LEAST:
            complaints.append(f"{who} finished only {least:.1%} of what was due: the ratio is not fair, ask for less (-r)")
    ratio = statistics.median(x["ratio"] for x in rounds)
    print(f"median ratio of p99, casbah / haproxy: {ratio:.2f}, limit {a.limit:g}; median p99 "
          + ", ".join(f"{w} {statistics.median(x[w]['p99'] for x in rounds):.0f} us" for w in ("casbah", "haproxy")))
    if ratio > a.limit:
        complaints.append(f"p99 of plain requests is {ratio:.2f} of HAProxy's; at most {a.limit:g} is allowed")
    rig.finish(a.json, dict(rounds=rounds, ratio=ratio), complaints)


main()
