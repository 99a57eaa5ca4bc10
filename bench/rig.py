"""What the measuring scripts share: proxies, servers and load on loopback, each pinned to its cores.

Configurations, scenarios and the CPU figure are those of compare.py, so that all scripts speak of the same work. A Rig
builds the C programs, makes certificates, starts what is asked for, and ends all of it when it is left, also by a signal.
Proxies listen on free ports below those of clients, so that runs do not meet. The load stays on loopback.
"""
import argparse
import ast
import contextlib
import json
import os
import random
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import types
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
LOAD_CORE, PROXY_CORE, BOTH = "0", "1", "0,1"


def _compare():
    """compare.py as a module. It is a program that runs once it is loaded: the call at its end is left out."""
    path = os.path.join(HERE, "compare.py")
    with open(path) as f:
        tree = ast.parse(f.read(), path)
    tree.body = [n for n in tree.body if not (isinstance(n, ast.Expr) and isinstance(n.value, ast.Call))]
    module = types.ModuleType("compare")
    module.__file__ = path
    exec(compile(tree, path, "exec"), module.__dict__)
    return module


compare = _compare()
KINDS = {compare.PLAIN: "plain", compare.EC: "ec", compare.RSA: "rsa"}
SCENARIOS = {name: (KINDS[base], args) for name, (base, args) in compare.SCENARIOS.items() if base in KINDS}


def options(usage):
    """A parser with what every script takes; usage is its doc string."""
    ap = argparse.ArgumentParser(description=usage, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--casbah", default="./casbah", help="the binary to measure (default ./casbah)")
    ap.add_argument("--engine", help='its driver, "reactor" or "net"; default: the one that casbah chooses')
    ap.add_argument("--json", metavar="FILE", help="write the figures there as well")
    return ap


def environment():
    """What of the environment changes memory and collection, in one line."""
    env = [f"{k}={os.environ.get(k, 'unset')}" for k in ("GOGC", "GOMEMLIMIT", "GODEBUG")]
    with contextlib.suppress(OSError):
        with open("/sys/kernel/mm/transparent_hugepage/enabled") as f:
            env.append("huge pages " + re.search(r"\[(\w+)\]", f.read())[1])
    return ", ".join(env)


def need_fds(n):
    """Let this process and those that it starts open n files each."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < n:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (n, n))
        except (ValueError, PermissionError):
            sys.exit(f"{n} open files are needed and {hard} are allowed: raise the limit (ulimit -Hn) or ask for fewer connections")
    elif soft != resource.RLIM_INFINITY and soft < n:
        resource.setrlimit(resource.RLIMIT_NOFILE, (n, hard))


def established(port):
    """How many connections clients have open to a port of loopback."""
    with open("/proc/net/tcp") as f:
        rows = (line.split() for line in f)
        return sum(1 for r in rows if r[3] == "01" and r[1].endswith(f":{port:04X}"))


def loops(status):
    """Open client connections by loop; None if the status does not tell."""
    by_loop = status.get("engine", {}).get("loops")
    return [x["connections"] for x in by_loop] if by_loop else None


def finish(json_path, figures, complaints):
    """Write the figures if that is asked for; exit with 1 if there is a complaint."""
    if json_path:
        with open(json_path, "w") as f:
            json.dump(figures, f, indent=1)
    for c in complaints:
        print("FAIL:", c)
    sys.exit(1 if complaints else 0)


class Process:
    """A program that the rig has started."""

    def __init__(self, name, popen, log):
        self.name, self.popen, self.log, self.pid = name, popen, log, popen.pid

    def running(self):
        return self.popen.poll() is None

    def cpu(self):
        """CPU seconds so far, user and kernel."""
        return compare.cpu(self.pid)

    def memory(self):
        """(resident, anonymous) octets: the second leaves out pages of the program's own file."""
        with open(f"/proc/{self.pid}/smaps_rollup") as f:
            got = {k: int(v) << 10 for k, v in re.findall(r"(\w+):\s+(\d+) kB", f.read())}
        return got["Rss"], got["Anonymous"]

    def fds(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def tail(self):
        with open(self.log, errors="replace") as f:
            return f.read()[-2000:]

    def result(self, patience):
        """Wait for the end of a load program and return the figures of its last line."""
        try:
            code = self.popen.wait(patience)
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"{self.name} does not end") from None
        got = {k: float(v) for k, v in re.findall(r"(\w+)=([\d.]+)", self.tail())}
        if code or "done" not in got:
            raise RuntimeError(f"{self.name}: exit code {code}: {self.tail().strip()}")
        return got

    def stop(self, patience=5):
        """End the program, gently first."""
        if self.running():
            self.popen.terminate()
            try:
                self.popen.wait(patience)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()


class Proxy(Process):
    """casbah or HAProxy: ports by kind of VIP, plain, ec (TLS, P-256) and rsa (TLS, RSA-2048)."""

    ports, admin = {}, None

    def status(self):
        """casbah's /api/v1/status."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/api/v1/status", timeout=10) as r:
            return json.load(r)

    def ready(self):
        """Whether requests are answered, and for casbah, every server has been found up."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.ports['plain']}/owa/", timeout=2) as r:
                r.read()
            return self.admin is None or all(
                v["state"] == "up" for p in self.status()["pools"] for s in p["servers"] for v in s["services"])
        except OSError:
            return False


class Rig:
    """Everything that one measurement runs, in a directory of its own."""

    def __init__(self, casbah, engine=None):
        self.binary, self.engine, self.processes, self.used = os.path.abspath(casbah), engine, [], set()
        if not os.access(self.binary, os.X_OK):
            sys.exit(f"{casbah} is no program: make build, or name one with --casbah")

    def __enter__(self):
        for s in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(s, lambda n, _: sys.exit(128 + n))
        self.dir = tempfile.mkdtemp(prefix="casbah-bench-")
        try:
            # For its programs and certificates; the configurations that it writes as well are not used here.
            compare.prepare(self.dir, False)
            self.servers = [self.port() for _ in range(3)]
            self.start("backend", [f"{self.dir}/backend", *map(str, self.servers)], LOAD_CORE)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for p in reversed(self.processes):
            p.stop()
        shutil.rmtree(self.dir, ignore_errors=True)

    def compile(self, name, *libs):
        """Build bench/NAME.c."""
        subprocess.run(["gcc", "-O2", "-Wall", "-o", f"{self.dir}/{name}", f"{HERE}/{name}.c", *libs], check=True)

    def port(self):
        """A port on which nothing listens and from which no client connects."""
        with open("/proc/sys/net/ipv4/ip_local_port_range") as f:
            top = int(f.read().split()[0])
        for _ in range(1000):
            p = random.randrange(20000, top)
            with socket.socket() as s:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    s.bind(("127.0.0.1", p))
                except OSError:
                    continue
            if p not in self.used:
                self.used.add(p)
                return p
        sys.exit("no free port")

    def start(self, name, words, cores, kind=Process, nice=0):
        """Start a program on cores; it ends with this script, however that ends."""
        log = f"{self.dir}/{name}.{len(self.processes)}.log"
        with open(log, "w") as out:
            popen = subprocess.Popen(["setpriv", "--pdeathsig", "TERM", "nice", "-n", str(nice), "taskset", "-c", cores, *words],
                                     stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
        p = kind(name, popen, log)
        self.processes.append(p)
        return p

    def until_ready(self, proxy):
        for _ in range(150):
            if proxy.ready():
                return proxy
            if not proxy.running():
                break
            time.sleep(0.1)
        sys.exit(f"{proxy.name} does not serve:\n{proxy.tail()}")

    def casbah(self, cores=PROXY_CORE, reuse=True, **top):
        """Start casbah with compare.py's configuration. Reuse: upstream connections that carried no login serve every
        client, as compare.py has it; without, each client connection has its own. Top: more keys at the top level."""
        ports, admin = {k: self.port() for k in KINDS.values()}, self.port()
        if self.engine:
            top["engine"] = f'"{self.engine}"'
        servers = "".join(f'[[server]]\nname = "s{i + 1}"\naddress = "127.0.0.1:{p}"\n' for i, p in enumerate(self.servers))
        conf = compare.CASBAH.format(dir=f"{self.dir}", servers=servers, **ports)
        conf = _replaced(conf, 'listen = "127.0.0.1:28900"', f'listen = "127.0.0.1:{admin}"')
        conf = _replaced(conf, f'state_dir = "{self.dir}/state"', f'state_dir = "{self.dir}/state.{admin}"')
        if not reuse:
            conf = _replaced(conf, 'reuse = "anonymous"\n', "")
        path = f"{self.dir}/casbah.{admin}.toml"
        with open(path, "w") as f:
            f.write("".join(f"{k} = {v}\n" for k, v in top.items()) + conf)
        p = self.start("casbah", [self.binary, "serve", "-c", path], cores, Proxy)
        p.ports, p.admin = ports, admin
        return self.until_ready(p)

    def haproxy(self, cores=PROXY_CORE, reuse="safe", maxconn=9000):
        """Start HAProxy with compare.py's configuration, one thread; reuse is its http-reuse."""
        ports = {k: self.port() for k in KINDS.values()}
        servers = "\n".join(f"    server s{i + 1} 127.0.0.1:{p}" for i, p in enumerate(self.servers))
        conf = compare.HAPROXY + compare.HAPROXY_HTTP.format(
            n="x", reuse=reuse, splice="", servers=servers, dir=self.dir, relay=self.port(), **ports)
        path = f"{self.dir}/haproxy.{ports['plain']}.cfg"
        with open(path, "w") as f:
            f.write(_replaced(conf, "maxconn 9000", f"maxconn {maxconn}"))
        p = self.start("haproxy", ["haproxy", "-f", path], cores, Proxy)
        p.ports = ports
        return self.until_ready(p)

    def load(self, port, args, seconds, cores=LOAD_CORE):
        """Run the load generator to its end and return its figures."""
        words = [f"{self.dir}/loadgen", "-p", str(port), "-d", str(seconds), *args.split()]
        return self.start("loadgen", words, cores).result(seconds + 60)

    def hold(self, port, connections, args="", cores=LOAD_CORE):
        """Open connections that ask once and then stay; returns the programs that hold them, to be stopped."""
        words = [f"{self.dir}/loadgen", "-I", "-p", str(port), "-c", str(connections), "-d", "86400", *args.split()]
        p = self.start("loadgen", words, cores)
        for _ in range(600):
            if "READY" in p.tail():
                return p
            if not p.running():
                break
            time.sleep(0.1)
        raise RuntimeError(f"{connections} connections are not open after a minute: {p.tail().strip()}")


def _replaced(text, old, new):
    """text with old replaced by new; compare.py is expected to have it."""
    if text.count(old) != 1:
        sys.exit(f"bench/compare.py's configuration does not have {old!r} once: rig.py is to be adapted")
    return text.replace(old, new)
