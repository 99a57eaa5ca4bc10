package health_test

import (
	"encoding/base64"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"

	"casbah/balance"
	"casbah/health"
)

// wantTraced checks that both sides are shown, and a secret of a nowhere.
func wantTraced(t *testing.T, lines []health.Line, a health.Account) {
	t.Helper()
	seen := make(map[string]int)
	var all strings.Builder
	for _, l := range lines {
		seen[l.By]++
		all.WriteString(l.Text + "\n")
	}
	if seen[health.ByProbe] == 0 || seen[health.ByServer] == 0 || seen[health.ByNobody] == 0 || !strings.Contains(all.String(), "***") {
		t.Errorf("the trace shows not both sides, or no stars:\n%s", all.String())
	}
	for _, secret := range []string{a.Password, base64.StdEncoding.EncodeToString([]byte(a.User + ":" + a.Password)), "TlRMTVNTUAAD"} {
		if strings.Contains(strings.ToLower(all.String()), strings.ToLower(secret)) {
			t.Errorf("the trace shows %q:\n%s", secret, all.String())
		}
	}
}

// What a server says is shown within bounds, and cannot control a terminal. What
// it repeats of the password is starred, in whatever case, also where it is cut.
func TestTraceIsBounded(t *testing.T) {
	const password = "Correct-Horse"
	for name, said := range map[string]string{
		"flood":     strings.Repeat("x", 1<<20),
		"lines":     strings.Repeat("line\r\n", 10000),
		"octets":    strings.Repeat("\x00\xff", 1000),
		"control":   "\x1b[31mred\x9b31m \u202eback\r\n",
		"password":  strings.Repeat("you sent CORRECT-horse, ", 1000),
		"binary":    "Correct-Horse\x00\r\n",
		"authorize": "Authorization: Basic c2VjcmV0\r\nSet-Cookie: cadata=secret\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer ln.Close()
			go func() {
				c, err := ln.Accept()
				if err != nil {
					return
				}
				defer c.Close()
				io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n200 OK "+said)
			}()
			e := &balance.Endpoint{Name: "cas1", Target: "cas1:80"}
			e.SetAddr(netip.MustParseAddrPort(ln.Addr().String()))
			trace := health.NewTrace(health.Account{User: "probe", Password: password})
			(&health.HTTPProbe{Endpoint: e, Path: "/", Body: "nowhere"}).Check(health.WithTrace(t.Context(), trace))
			octets := 0
			for _, l := range trace.Lines() {
				octets += len(l.Text)
				low := strings.ToLower(l.Text)
				if strings.ContainsFunc(l.Text, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x9b || c == 0x202e }) {
					t.Errorf("the line %q controls a terminal", l.Text)
				}
				if strings.Contains(low, "correct-h") || strings.Contains(low, "43 6f 72") || strings.Contains(low, "c2vj") || strings.Contains(low, "=secret") {
					t.Errorf("the line %q shows a secret", l.Text)
				}
			}
			if n := len(trace.Lines()); n > 401 || octets > 64<<10 {
				t.Errorf("%d lines of %d octets are shown", n, octets)
			}
		})
	}
}
