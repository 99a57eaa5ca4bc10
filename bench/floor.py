#!/usr/bin/env python3
"""Measure what casbah takes above the kernel's own work, beside HAProxy.

    floor.py [--casbah PATH] [--engine E] [-n ROUNDS] [-d SECONDS]

bench/floor.c passes octets between kept connections by two reads and two writes per request and does nothing else: no
proxy of this kind on this kernel can take less. Each round runs HAProxy, casbah and it in turn with scenario ka1k of
compare.py, each on core 1; a ratio is taken inside a round, and the median over the rounds is reported.
"""
import statistics
import time

import rig


def cpu_per_request(r, process, port, seconds):
    """CPU seconds per 100,000 requests of one run."""
    before = process.cpu()
    got = r.load(port, rig.SCENARIOS["ka1k"][1], seconds)
    if not got["done"] or got["errs"]:
        raise RuntimeError(f"{process.name}: {got['done']:.0f} requests, {got['errs']:.0f} errors")
    return (process.cpu() - before) / got["done"] * 1e5


def main():
    ap = rig.options(__doc__)
    ap.add_argument("-n", type=int, default=9, help="rounds (default 9)")
    ap.add_argument("-d", "--duration", type=float, default=0.5, help="seconds a run (default 0.5)")
    a = ap.parse_args()
    with rig.Rig(a.casbah, a.engine) as r:
        r.compile("floor")
        port = r.port()
        floor = r.start("floor", [f"{r.dir}/floor", str(port), *map(str, r.servers)], rig.PROXY_CORE)
        haproxy, casbah = r.haproxy(), r.casbah()
        time.sleep(0.5)
        who = {"haproxy": (haproxy, haproxy.ports["plain"]), "casbah": (casbah, casbah.ports["plain"]), "floor": (floor, port)}
        took = {name: [] for name in who}
        for _ in range(a.n):
            for name, (process, at) in who.items():
                took[name].append(cpu_per_request(r, process, at, a.duration))
    figures = []
    print(f"{'proxy':9} {'CPU s per 100,000':>18} {'vs haproxy':>11} {'vs floor':>9}")
    for name, costs in took.items():
        ratio = {o: statistics.median(x / y for x, y in zip(costs, took[o])) for o in ("haproxy", "floor")}
        figures.append(dict(proxy=name, per=statistics.median(costs), ratio=ratio))
        print(f"{name:9} {statistics.median(costs):18.3f} {ratio['haproxy']:11.2f} {ratio['floor']:9.2f}")
    rig.finish(a.json, figures, [])


if __name__ == "__main__":
    main()
