#!/usr/bin/env python3
"""Measure what a second loop costs, and how evenly connections spread over two.

    loops.py [--casbah PATH] [--engine E] [-s SCENARIO] [-n ROUNDS] [-d SECONDS] [--cost 1.1] [--share 0.40]

Two casbahs of the same binary run beside each other, one with loops = 1, one with loops = 2. Every round runs each once, in
turn; the figure is CPU per 100,000 requests, its ratio is taken inside a round, and the median over the rounds is
reported. All of it, the casbahs, load generator and servers, is allowed on cores 0 and 1: two loops share them with the load, so
this says what the second loop costs, not what it gains. Requests per second are printed and mean little.

Then --conns connections are opened to the one with two loops, --tries times, and /api/v1/status is asked how many each
loop has open: {"engine": {"driver": "reactor", "loops": [{"connections": 250}, {"connections": 262}]}}. The share of
the smaller loop counts, in the worst try.

Exits 1 if the median ratio is above --cost, the share below --share, or the status tells of no two loops. Needs what
compare.py needs.
"""
import statistics
import time

import rig


def cpu_per_request(r, proxy, scenario, seconds):
    """CPU seconds per 100,000 requests of one run, and its requests per second."""
    kind, args = rig.SCENARIOS[scenario]
    before = proxy.cpu()
    got = r.load(proxy.ports[kind], args, seconds, rig.BOTH)
    if not got["done"] or got["errs"]:
        raise RuntimeError(f"{got['done']:.0f} requests, {got['errs']:.0f} errors")
    return (proxy.cpu() - before) / got["done"] * 1e5, got["rps"]


def spread(r, proxy, connections):
    """Open connections by loop, while that many are; None if the status does not tell."""
    for _ in range(100):
        if proxy.status()["connections"] == 0:
            break
        time.sleep(0.1)
    clients = r.hold(proxy.ports["plain"], connections, "-k", rig.BOTH)
    try:
        return rig.loops(proxy.status())
    finally:
        clients.stop()


def main():
    ap = rig.options(__doc__)
    ap.add_argument("-s", "--scenario", default="ka1k", choices=sorted(rig.SCENARIOS), help="what the clients do (default ka1k)")
    ap.add_argument("-n", type=int, default=7, help="rounds (default 7)")
    ap.add_argument("-d", "--duration", type=float, default=1, help="seconds a run (default 1)")
    ap.add_argument("--conns", type=int, default=512, help="connections to spread (default 512)")
    ap.add_argument("--tries", type=int, default=3, help="how often they are opened (default 3)")
    ap.add_argument("--cost", type=float, default=1.1, help="limit of the median ratio of CPU (default 1.1)")
    ap.add_argument("--share", type=float, default=0.40, help="least share of the smaller loop (default 0.40)")
    a = ap.parse_args()
    rig.need_fds(4096)
    complaints, ratios, shares = [], [], []
    with rig.Rig(a.casbah, a.engine) as r:
        one, two = (r.casbah(rig.BOTH, loops=n) for n in (1, 2))
        print(f"{a.scenario}: CPU s per 100,000 requests\n{'round':>5} {'one loop':>9} {'two':>7} {'ratio':>6} {'rps, one':>9} {'two':>8}")
        for n in range(a.n):
            (c1, rps1), (c2, rps2) = (cpu_per_request(r, p, a.scenario, a.duration) for p in (one, two))
            ratios.append(c2 / c1)
            print(f"{n + 1:5} {c1:9.3f} {c2:7.3f} {c2 / c1:6.2f} {rps1:9.0f} {rps2:8.0f}", flush=True)
        for _ in range(a.tries):
            by_loop = spread(r, two, a.conns)
            if by_loop is None or len(by_loop) != 2 or sum(by_loop) != a.conns:
                complaints.append(f"/api/v1/status of casbah with loops = 2 tells of connections by loop: {by_loop}; "
                                  f"want engine.loops with two entries and {a.conns} connections")
                break
            shares.append(min(by_loop) / sum(by_loop))
            print(f"{a.conns} connections: {by_loop[0]} and {by_loop[1]}, share of the smaller {shares[-1]:.2f}", flush=True)
    cost = statistics.median(ratios)
    print(f"median ratio of CPU, two loops / one: {cost:.2f}, limit {a.cost:g}"
          + (f"; least share {min(shares):.2f}, limit {a.share:g}" if shares else ""))
    if cost > a.cost:
        complaints.append(f"two loops take {cost:.2f} of the CPU of one; at most {a.cost:g} is allowed")
    if shares and min(shares) < a.share:
        complaints.append(f"the smaller loop got {min(shares):.2f} of the connections; at least {a.share:g} is wanted")
    rig.finish(a.json, dict(ratios=ratios, ratio=cost, shares=shares), complaints)


main()
