#!/usr/bin/env python3
"""Measure what a proxy adds to the time of a request, casbah beside HAProxy and beside no proxy.

    latency.py [--casbah PATH] [--engine E] [-n ROUNDS] [-d SECONDS] [-r REQUESTS] [-c CONNS] [--json FILE]

Requests of Outlook Web App (1 KiB, kept connections, cookie stickiness) arrive at a low fixed rate, the same for all: nobody queues,
so that a time is the way there and back. Every round runs each of the three once, in turn; who begins takes turns as well. What is added is
taken inside a round, against the run without a proxy, and the median over the rounds is reported. Proxies run on core 1, one loop or thread each, the
client and the servers on core 0. Errors, and requests that were not answered, fail the run.

Other work on the machine adds to all three; only differences of one run are to be compared. Needs what compare.py needs.
"""
import statistics

import rig


def once(r, port, a):
    """One run against a port; returns its figures."""
    words = [f"{r.dir}/paced", "-p", str(port), "-d", str(a.duration), "-r", str(a.rate), "-c", str(a.conns)]
    got = r.start("paced", words, rig.LOAD_CORE).result(a.duration + 30)
    return dict(p50=got["p50us"], p99=got["p99us"], errors=got["errs"] + got["due"] - got["done"])


def main():
    ap = rig.options(__doc__)
    ap.add_argument("-n", type=int, default=7, help="rounds (default 7)")
    ap.add_argument("-d", "--duration", type=float, default=1.5, help="seconds a run (default 1.5)")
    ap.add_argument("-r", "--rate", type=float, default=500, help="requests per second (default 500)")
    ap.add_argument("-c", "--conns", type=int, default=16, help="kept connections (default 16)")
    a = ap.parse_args()
    complaints, rounds = [], []
    with rig.Rig(a.casbah, a.engine) as r:
        r.compile("paced", "-lssl", "-lcrypto", "-lm")
        ports = {"none": r.servers[0], "casbah": r.casbah(loops=1).ports["plain"], "haproxy": r.haproxy().ports["plain"]}
        print(f"{'round':>5} {'proxy':8} {'p50 us':>8} {'p99 us':>8} {'added p50':>10} {'added p99':>10}")
        for n in range(a.n):
            names = list(ports)
            got = {who: once(r, ports[who], a) for who in names[n % 3:] + names[:n % 3]}
            rounds.append(got)
            for who in names:
                g, base = got[who], got["none"]
                print(f"{n + 1:5} {who:8} {g['p50']:8.0f} {g['p99']:8.0f} {g['p50'] - base['p50']:10.0f} {g['p99'] - base['p99']:10.0f}", flush=True)
    for who in ports:
        if any(x[who]["errors"] for x in rounds):
            complaints.append(f"{who}: errors, or requests without an answer")
    added = {who: {q: statistics.median(x[who][q] - x["none"][q] for x in rounds) for q in ("p50", "p99")} for who in ("casbah", "haproxy")}
    for who, x in added.items():
        print(f"{who} adds {x['p50']:.0f} us to the median and {x['p99']:.0f} us to the p99, by the median of {a.n} rounds at {a.rate:g} requests a second")
    rig.finish(a.json, dict(rounds=rounds, added=added), complaints)


main()
