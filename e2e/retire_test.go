package e2e

import (
	"strings"
	"testing"
)

// A connection of a VIP that a reload takes away gets one more answer, and is
// closed behind it.
func TestRetiredVIPClosesItsConnections(t *testing.T) {
	modes(t, func(t *testing.T, m mode) {
		r := newRig(t, setup{mode: m})
		c := r.client("127.0.0.2")
		c.CheckRedirect = noRedirect
		if a := c.get("/owa/"); a.header.Get("Connection") != "" {
			t.Fatalf("before: Connection: %s; want none", a.header.Get("Connection"))
		}
		r.reload(withoutVIP(r.read(), m.vip))
		if r.node.Addrs(m.vip) != nil {
			t.Fatal("the VIP is still there")
		}
		resp, err := c.Get(c.base + "/owa/")
		if err != nil {
			t.Fatalf("the open connection: %v", err)
		}
		_ = resp.Body.Close()
		if !resp.Close {
			t.Fatal("the open connection stays open; want an answer that closes it")
		}
		if _, err := c.Get(c.base + "/owa/"); err == nil { //nolint:bodyclose // it must fail
			t.Error("a new connection to the retired VIP was answered")
		}
	})
}

// A server that a reload takes away and a later one brings back is probed
// before it takes traffic.
func TestServerThatComesBackIsProbedFirst(t *testing.T) {
	r := newRig(t, setup{})
	text := r.read()
	r.reload(strings.Replace(text, `"cas1", "cas2", "cas3"`, `"cas2", "cas3"`, 1))
	cas1, _ := r.array.Named("cas1")
	cas1.Stop()
	r.reload(text)
	for _, p := range r.node.Status().Pools {
		for _, s := range p.Servers {
			for _, v := range s.Services {
				if s.Name == "cas1" && v.State == "up" {
					t.Errorf("%s on cas1 is up before any probe of it", v.Profile)
				}
			}
		}
	}
}
