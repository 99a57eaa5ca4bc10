#!/usr/bin/env python3
"""Measure the memory of an idle connection, casbah beside HAProxy.

    idle.py [--casbah PATH] [--engine E] [--plain N] [--tls N] [--settle SECONDS] [-x casbah,haproxy] [-u never,anonymous]

Every figure is of a proxy started for it alone. It gets a short warm-up, so that pages of its program and first-use
tables are not taken for connections; then clients connect, --batch at a time, make one request each and stay. The
figure is (RSS after - RSS before) / connections, in octets, where RSS is of /proc/PID/smaps_rollup and "after" is
--settle seconds after the last request. "Anonymous" is the same without pages of files. Memory of the kernel, about 4 KB for a
socket and its file, is in neither.

Two rows each, by who keeps the connection to the server: with `never` (casbah's default, HAProxy's http-reuse never)
each client connection has its own; with `anonymous` (casbah's reuse = "anonymous", http-reuse always) they are shared.
The column fds shows which it was: about 2 or 1 for each connection.

casbah's figure holds what its garbage collector has not given back: GOGC and GOMEMLIMIT are taken from the
environment and printed. Each proxy has core 1, clients and servers share core 0. A client process holds --batch
connections; they come from several source addresses. Needs what compare.py needs.
"""
import time

import rig

MODES = {"never": dict(casbah=False, haproxy="never"), "anonymous": dict(casbah=True, haproxy="always")}


def measure(r, who, mode, kind, count, a):
    """One proxy, one mode, one kind of connection; returns the record."""
    if who == "casbah":
        proxy = r.casbah(reuse=MODES[mode]["casbah"])
    else:
        proxy = r.haproxy(reuse=MODES[mode]["haproxy"], maxconn=max(a.plain, a.tls) + 500)
    port, args = proxy.ports["plain" if kind == "plain" else "ec"], "-k" + ("" if kind == "plain" else " -T")
    clients = []
    try:
        r.load(port, f"-c 16 {args}", 0.3)
        time.sleep(1)
        (rss0, anon0), fds0 = proxy.memory(), proxy.fds()
        for opened in range(0, count, a.batch):
            clients.append(r.hold(port, min(a.batch, count - opened), f"{args} -s 8"))
        time.sleep(a.settle)
        (rss1, anon1), fds1 = proxy.memory(), proxy.fds()
        if (n := rig.established(port)) != count:
            raise RuntimeError(f"{who}: {n} connections are open instead of {count}\n{proxy.tail()}")
        return dict(kind=kind, mode=mode, proxy=who, connections=count, octets=(rss1 - rss0) / count, anonymous=(anon1 - anon0) / count,
                    fds=(fds1 - fds0) / count, before=rss0, after=rss1)
    finally:
        for c in [*clients, proxy]:
            c.stop()


def main():
    ap = rig.options(__doc__)
    ap.add_argument("--plain", type=int, default=8000, help="plain connections (default 8000; 0: none)")
    ap.add_argument("--tls", type=int, default=4000, help="TLS connections (default 4000; 0: none)")
    ap.add_argument("--settle", type=float, default=5, help="seconds from the last request to the figure (default 5)")
    ap.add_argument("--batch", type=int, default=500, help="connections opened at a time (default 500)")
    ap.add_argument("-x", default="casbah,haproxy", help="proxies, in this order")
    ap.add_argument("-u", default="never,anonymous", help="who keeps connections to the servers")
    a = ap.parse_args()
    rig.need_fds(2 * max(a.plain, a.tls) + 1200)
    print(f"after {a.settle:g} s; {rig.environment()}")
    print(f"{'kind':6} {'upstream':10} {'proxy':8} {'connections':>11} {'octets/conn':>11} {'anonymous':>10} {'fds/conn':>8} {'RSS before':>11} {'after, MB':>10}")
    out = []
    with rig.Rig(a.casbah, a.engine) as r:
        for kind, count in (("plain", a.plain), ("tls", a.tls)):
            for mode in a.u.split(",") if count else []:
                for who in a.x.split(","):
                    m = measure(r, who, mode, kind, count, a)
                    out.append(m)
                    print(f"{kind:6} {mode:10} {who:8} {count:11} {m['octets']:11.0f} {m['anonymous']:10.0f} {m['fds']:8.2f} "
                          f"{m['before'] / 1e6:11.1f} {m['after'] / 1e6:10.1f}", flush=True)
    rig.finish(a.json, dict(environment=rig.environment(), settle=a.settle, rows=out), [])


main()
