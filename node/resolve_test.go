package node

import (
	"context"
	"strings"
	"testing"

	"casbah/balance"
)

func TestResolve(t *testing.T) {
	tests := []struct {
		target string
		want   string // the address; empty: any of loopback
		err    string // how the error begins instead
	}{
		{"192.0.2.1:80", "192.0.2.1:80", ""},
		{"[2001:db8::1]:443", "[2001:db8::1]:443", ""},
		{"[::ffff:192.0.2.1]:80", "[::ffff:192.0.2.1]:80", ""},
		{"localhost:80", "", ""},
		{"192.0.2.1", "", "server cas1: address 192.0.2.1: "},
		{"192.0.2.1:http", "", "server cas1: port http: "},
		{"192.0.2.1:65536", "", "server cas1: port 65536: "},
	}
	for _, tt := range tests {
		e := &balance.Endpoint{Name: "cas1", Target: tt.target}
		err := resolve(t.Context(), e)
		addr, ok := e.Addr()
		switch {
		case tt.err != "":
			if err == nil || !strings.HasPrefix(err.Error(), tt.err) || ok {
				t.Errorf("resolve(%s) = %v, %v; want %q and no address", tt.target, addr, err, tt.err)
			}
		case err != nil || tt.want != "" && addr.String() != tt.want || tt.want == "" && !addr.Addr().IsLoopback():
			t.Errorf("resolve(%s) = %v, %v; want %q", tt.target, addr, err, tt.want)
		}
	}
}

// A name that cannot be found leaves the address that was found before.
func TestResolveKeepsWhatItFound(t *testing.T) {
	e := &balance.Endpoint{Name: "cas1", Target: "localhost:80"}
	if err := resolve(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	before, _ := e.Addr()
	e.Target = "cas1.example.org:80"
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := resolve(ended, e); err == nil || !strings.HasPrefix(err.Error(), "server cas1: ") {
		t.Errorf("resolve = %v; want an error that names the server", err)
	}
	if after, ok := e.Addr(); !ok || after != before {
		t.Errorf("the address is %v, %v; want %v", after, ok, before)
	}
}
