package admin

import (
	"encoding/json"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"

	"casbah/node"
)

// The names of the JSON status are a promise.
func TestStatusJSON(t *testing.T) {
	w := ask{method: "GET", path: "/api/v1/status"}.of(New(newFake(), Options{Loopback: true}))
	var got any
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	var want any
	if err := json.Unmarshal([]byte(statusWant), &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
}

const statusWant = `{
	"version": "1.0.0", "started": "2026-03-04T11:00:00Z", "now": "2026-03-04T12:00:00Z", "loaded": "2026-03-04T11:59:00Z",
	"ready": true, "stopping": false, "config_path": "casbah.toml", "connections": 3, "connection_limit": 100, "panics": 1,
	"leaving": [{"vip": "old", "connections": 2}], "engine": {"driver": "reactor", "loops": [{"connections": 1, "lag_seconds": 0}, {"connections": 2, "lag_seconds": 0.25}], "goroutines": 12},
	"vips": [{
		"name": "mail", "type": "https", "pool": "cas", "listen": ["192.0.2.10:443"], "profiles": ["owa", "eas"], "up": true,
		"routes": [{"hosts": ["app.example.org", "*.app.example.org"], "pool": "app", "profile": "ews", "up": true}],
		"persistence": [
			{"profile": "owa", "chain": ["source_ip", "insert_cookie"], "binding_seconds": 28800,
			 "cookie": {"name": "CASBAH_ABCD", "version": 1, "timeout_seconds": 120,
				"format": "netscaler", "path": "/", "http_only": false, "secure": true}, "companions": ["CASBAH_EFGH"]},
			{"profile": "eas", "chain": [], "binding_seconds": 0}
		],
		"connections": 3, "accepted": 9, "requests": 40, "status": {"2xx": 39, "3xx": 0, "none": 1}, "in_octets": 1000, "out_octets": 2000,
		"refused": {"path": 2, "tls": 0}, "ends": {"done": 40}, "pins": 1, "identity": {"relogins": 12, "faults": 13}, "unlogged": 5, "dropped": 9, "injections": 10, "evictions": 2, "refusals": 3, "cookie_clashes": {"set": 6, "brought": 7}, "cookieless": 8, "http2": {"connections": 1, "accepted": 2, "requests": 3, "calmed": 0}, "rpc": {"connections": 20, "channels": 41, "unread": 2, "late": 1, "splits": {"addresses": 3}}, "shield": {"refuses": true, "rules": "2026-11", "hits": {"traversal": 4}},
		"mapper": {"mode": "rewrite", "gives": [{"listen": "192.0.2.10:135", "interface": "nspi", "vip": "book", "port": 40002}], "answers": 7, "given": 5, "left": {"protected": 2}},
		"handshakes": [{"version": "TLS 1.3", "full": 5, "resumed": 6}],
		"traffic": [{"profile": "owa", "pool": "cas", "requests": 40, "status": {"2xx": 39, "none": 1}, "p50_seconds": 0.00025, "p99_seconds": 0.000495, "rebinds": {"down": 4}}],
		"certificates": [{"file": "mail.pem", "names": ["mail.example.org"], "not_before": "2026-03-04T11:00:00Z", "not_after": "2026-03-04T13:00:00Z",
			"level": "critical", "key": "RSA 2048", "sha256": "00ff", "issuer": "CN=CA", "refused": "is empty",
			"ocsp": {"responder": "http://ocsp.example.org", "required": true, "until": "2026-03-04T14:00:00Z", "refresh": "2026-03-04T12:01:00Z", "problem": "no answer"},
			"acme": {"directory": "https://acme.example.org/", "challenge": "http-01", "next": "2026-03-04T13:00:00Z", "failures": 3, "problem": "403 unauthorized"}}]
	}],
	"pools": [{"name": "cas", "algorithm": "least_conn", "upstream_tls": "off", "panic_below": 50, "placement": {"mode": "prefer", "told": 100, "crossed": 20, "unknown": 3, "preferred": 9}, "panic": ["owa"], "backed_up": ["eas"], "servers": [{
		"name": "cas1", "address": "192.0.2.11:80", "weight": 100, "active": 2, "requests": 40, "bindings": 7, "backup": true,
		"places": {"max_connections": 50, "queue": 100, "queue_timeout_seconds": 5, "waiting": 3, "waited": 8, "waited_seconds": 12, "queue_full": 2, "queue_timeout": 1},
		"learned": [{"profile": "rpc_address_book", "interface": "nspi", "port": 49200, "since": "2026-03-04T11:59:00Z", "error": "no answer"}], "services": [
			{"profile": "owa", "state": "down", "since": "2026-03-04T11:59:00Z", "last_probe": "2026-03-04T11:59:59Z", "probe": "GET /owa/",
			 "probe_seconds": 0.0015, "probe_error": "got 503", "probes": {"right": 4, "wrong": 5, "causes": {}}, "active": 0, "requests": 30, "failures": 2, "latency_seconds": 0.02},
			{"profile": "eas", "state": "up", "probe": "", "probe_seconds": 0,
			 "deep_probe": {"probe": "login", "last_probe": "2026-03-04T12:00:00Z", "probe_seconds": 0.001, "probe_error": "got 401", "probe_cause": "account",
			  "probes": {"right": 6, "wrong": 3, "causes": {}}, "account_refused": true}, "probes": {"right": 0, "wrong": 0, "causes": {}}, "active": 2, "requests": 10, "failures": 0, "latency_seconds": 0}
		]}]}],
	"shared_addresses": {"all": 0, "not_balanceable": 0},
	"table": {"bindings": 7, "capacity": 1000, "unconfirmed": 1, "placements": 2, "evictions": 2, "refusals": 3, "oldest_seconds": 90, "memory_octets": 24000,
		"full_in_seconds": 600, "saved": "2026-03-04T11:59:00Z", "saved_bindings": 6, "save_error": "no space", "restored_bindings": 5, "restore_error": "damaged"},
	"extended_protection": {"checked": "2026-03-04T11:00:00Z", "advice": [
		{"weight": "warning", "vip": "mail", "pool": "cas", "profiles": ["owa"], "server": "cas1", "shown_sha256": "00ff", "served_sha256": "00fe", "text": "put the same certificate"},
		{"weight": "notice", "vip": "mail", "pool": "cas", "profiles": ["eas"], "text": "in plain"}
	], "servers": [{"pool": "cas", "server": "cas1", "sha256": "00fe"}, {"pool": "cas", "server": "cas2", "error": "timeout"}]},
	"events": [{"at": "2026-03-04T11:59:00Z", "kind": "service", "text": "owa on cas1: up -> down"}]
}`

// A reader loops over lists and maps without looking for null.
func TestStatusHasNoNull(t *testing.T) {
	empty := &node.Status{VIPs: make([]node.VIPStatus, 1), Pools: []node.PoolStatus{{Servers: make([]node.ServerStatus, 1)}}}
	for _, st := range []*node.Status{{}, empty} {
		text, err := json.Marshal(statusOf(st))
		if err != nil {
			t.Fatal(err)
		}
		if m := regexp.MustCompile(`"[a-z_]+":null`).Find(text); m != nil {
			t.Errorf("status holds %s", m)
		}
	}
}
