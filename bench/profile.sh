#!/bin/sh
# Makes cmd/casbah/default.pgo, the profile that the compiler optimizes by: one
# casbah under each kind of load of compare.py, for a few seconds each.
set -eu
cd "$(dirname "$0")/.."
dir=$(mktemp -d)
trap 'kill "$backend" "$casbah" 2>/dev/null || true; rm -rf "$dir"' EXIT
backend= casbah=
gcc -O2 -w -o "$dir/backend" bench/backend.c
gcc -O2 -w -o "$dir/loadgen" bench/loadgen.c -lssl -lcrypto
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=mail.example.test \
	-addext subjectAltName=DNS:mail.example.test -keyout "$dir/ec.key" -out "$dir/ec.crt" 2>/dev/null
cat >"$dir/casbah.toml" <<CONF
state_dir = "$dir/state"
log = { access = "off" }
admin = { listen = "127.0.0.1:28900" }
server = [{ name = "s1", address = "127.0.0.1:29001" }, { name = "s2", address = "127.0.0.1:29002" }]
pool = [{ name = "cas", servers = ["s1", "s2"], algorithm = "round_robin" }]
[profile.owa]
paths = ["/"]
reuse = "anonymous"
chain = [{ by = "cookie", name = "UserContext", origin = "client" }]
[[vip]]
name = "plain"
type = "http"
listen = ["127.0.0.1:28002"]
profiles = ["owa"]
pool = "cas"
[[vip]]
name = "ec"
type = "https"
listen = ["127.0.0.1:28102"]
profiles = ["owa"]
pool = "cas"
certificate = [{ cert = "$dir/ec.crt", key = "$dir/ec.key" }]
CONF
CGO_ENABLED=0 go build -pgo=off -o "$dir/casbah" ./cmd/casbah
taskset -c 0 "$dir/backend" 29001 29002 &
backend=$!
taskset -c 1 "$dir/casbah" serve -c "$dir/casbah.toml" -cpuprofile "$dir/cpu.pprof" 2>"$dir/log" &
casbah=$!
sleep 3
while read -r args; do
	# shellcheck disable=SC2086 # a list of flags
	taskset -c 0 "$dir/loadgen" -d 5 $args
done <<LOADS
-p 28002 -c 64 -k
-p 28002 -c 64 -k -b 4096
-p 28002 -c 64 -k -u /big
-p 28002 -c 64 -k -C -s 250
-p 28102 -c 64 -k -T
-p 28102 -c 64 -k -T -u /big
-p 28102 -c 64 -k -T -b 4096
-p 28102 -c 32 -T -H
-p 28002 -c 64 -k
LOADS
kill -TERM "$casbah"
wait "$casbah" || { cat "$dir/log"; exit 1; }
cp "$dir/cpu.pprof" cmd/casbah/default.pgo
ls -l cmd/casbah/default.pgo
