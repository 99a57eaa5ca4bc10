package e2e

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
)

// Clients of a profile with https_redirect come from the http VIP to the https VIP,
// at the port where it is, with their path and query; what cannot be sent there is
// refused. Other profiles are served in plain.
func TestPlainClientsAreSentToHTTPS(t *testing.T) {
	engines(t, func(t *testing.T, m mode) {
		r := newMirrorRig(t, setup{mode: m, extra: "[profile.ews]\nhttps_redirect = true\n"}, "ews", "oab")
		_, port, err := net.SplitHostPort(freeAddresses(t, 1)[0])
		if err != nil {
			t.Fatal(err)
		}
		head, tail, _ := strings.Cut(r.read(), `name = "tls"`)
		r.reload(head + `name = "tls"` + strings.Replace(tail, `"127.0.0.1:0"`, `"127.0.0.1:`+port+`"`, 1))
		c := r.client("127.0.0.2")
		c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		for _, method := range []string{"GET", "HEAD"} {
			a := c.do(method, "/EWS/Exchange.asmx?a=b%20c", "")
			if want := "https://127.0.0.1:" + port + "/EWS/Exchange.asmx?a=b%20c"; a.status != http.StatusFound || a.header.Get("Location") != want {
				t.Errorf("%s: %d to %q; want 302 to %q", method, a.status, a.header.Get("Location"), want)
			}
		}
		if a := c.do("POST", "/EWS/Exchange.asmx", "x=y"); a.status != http.StatusForbidden || a.server != "" {
			t.Errorf("POST: %d by %q; want 403 by casbah", a.status, a.server)
		}
		if a := c.do("GET", "/OAB/", ""); a.status != http.StatusOK || a.server == "" {
			t.Errorf("another profile: %d by %q; want 200 by a server", a.status, a.server)
		}
		c.CheckRedirect = nil
		r.tls = net.JoinHostPort("127.0.0.1", port)
		if a := c.do("GET", "/EWS/", ""); a.status != http.StatusOK || a.server == "" {
			t.Errorf("followed: %d by %q; want 200 by a server", a.status, a.server)
		}
		for _, v := range r.node.Status().VIPs {
			if got := fmt.Sprint(v.Refused["plain"]); got != map[string]string{"plain": "1", "tls": "0"}[v.Name] {
				t.Errorf("VIP %s has refused %s plain requests", v.Name, got)
			}
		}
	})
}
