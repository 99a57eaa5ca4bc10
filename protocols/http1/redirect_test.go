package http1

import (
	"fmt"
	"strings"
	"testing"

	"casbah/route"
)

// plainSite is a site whose VIP is plain HTTP, and sends the clients of ews to
// https.
func plainSite(t *testing.T, port uint16) *site {
	t.Helper()
	s := newSite(t)
	s.conn.Secure = false
	s.profile("ews").HTTPSPort = port
	return s
}

func TestPlainRequestsAreRedirected(t *testing.T) {
	tests := []struct {
		name, line, host string
		port             uint16
		want             string
	}{
		{"path", "GET /ews/x", "mail.example.org", 443, "https://mail.example.org/ews/x"},
		{"query", "GET /ews/x?a=b&c=/d?e", "mail.example.org", 443, "https://mail.example.org/ews/x?a=b&c=/d?e"},
		{"empty-query", "GET /ews?", "mail.example.org", 443, "https://mail.example.org/ews?"},
		{"spelling", "GET /EWS/%41b", "Mail.Example.org", 443, "https://Mail.Example.org/EWS/%41b"},
		{"two-slashes", "GET /ews//evil.example.org", "mail.example.org", 443, "https://mail.example.org/ews//evil.example.org"},
		{"head", "HEAD /ews", "mail.example.org", 443, "https://mail.example.org/ews"},
		{"port-of-the-client", "GET /ews", "mail.example.org:8080", 443, "https://mail.example.org/ews"},
		{"port-of-the-vip", "GET /ews", "mail.example.org:8080", 8443, "https://mail.example.org:8443/ews"},
		{"address", "GET /ews", "192.0.2.10", 8443, "https://192.0.2.10:8443/ews"},
		{"ipv6", "GET /ews", "[2001:db8::1]", 443, "https://[2001:db8::1]/ews"},
		{"ipv6-with-port", "GET /ews", "[2001:db8::1]:80", 8443, "https://[2001:db8::1]:8443/ews"},
		{"absolute", "GET http://mail.example.org/ews?a", "mail.example.org", 443, "https://mail.example.org/ews?a"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := plainSite(t, tt.port)
			f := s.open(t)
			request := tt.line + " HTTP/1.1\r\nHost: " + tt.host + "\r\n\r\n"
			for range 2 { // the connection stays
				f.fromClient(request)
				want(t, "client got", f.client().take(), "HTTP/1.1 302 Found\r\nLocation: "+tt.want+"\r\nContent-Length: 0\r\n\r\n")
			}
			if r := s.record(t); r.Profile != "ews" || r.Server != "" || r.Status != 302 {
				t.Errorf("record = %s, %q, %d; want ews, no server, 302", r.Profile, r.Server, r.Status)
			}
			if len(f.log) > 0 {
				t.Error("a server was dialled")
			}
			s.idle(t)
		})
	}
}

// What cannot be repeated in TLS as it is, or does not say whom it has called, is
// refused with the reason.
func TestPlainRequestsAreForbidden(t *testing.T) {
	for _, request := range []string{
		"POST /ews HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
		"OPTIONS /ews HTTP/1.1\r\nHost: a\r\n\r\n",
		"DELETE /ews HTTP/1.1\r\nHost: a\r\n\r\n", // which the profile does not serve either
		"GET /ews HTTP/1.0\r\n\r\n",
	} {
		method, _, _ := strings.Cut(request, " ")
		t.Run(method, func(t *testing.T) {
			s := plainSite(t, 443)
			f := s.open(t)
			f.fromClient(strings.Replace(request, "\r\n", "\r\nAccept: text/html\r\n", 1))
			got := string(f.client().sent)
			if !strings.HasPrefix(got, "HTTP/1.1 403 HTTPS Required\r\n") || !strings.HasSuffix(got, "<h1>403 HTTPS Required</h1>\n") {
				t.Errorf("client got %q", got)
			}
			refused(t, s, f, 403, route.CausePlain)
		})
	}
}

// Other profiles of the VIP are served.
func TestPlainRequestsOfOtherProfiles(t *testing.T) {
	s := plainSite(t, 443)
	f := s.open(t)
	f.fromClient("GET /owa HTTP/1.1\r\nHost: a\r\n\r\n")
	if len(f.log) != 1 {
		t.Errorf("%d servers were dialled; want 1", len(f.log))
	}
}

// Whatever path and query a request has, the client asks for them again.
func FuzzRedirect(f *testing.F) {
	f.Add("/ews", "a.example.org")
	f.Add("/ews/%2e%2f?x#y", "[::1]:80")
	f.Add("/ews?\r\nSet-Cookie: a=b", "a:b")
	f.Fuzz(func(t *testing.T, target, host string) {
		s := newSite(t)
		s.profile("ews").HTTPSPort = 443
		c := s.open(t)
		c.fromClient(fmt.Sprintf("GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", target, host))
		got := string(c.client().sent)
		if !strings.HasPrefix(got, "HTTP/1.1 302 ") || strings.HasPrefix(got, "HTTP/1.1 302 Found\r\nLocation: /owa/\r\n") {
			return
		}
		head, _, _ := strings.Cut(got, "\r\n\r\n")
		lines := strings.Split(head, "\r\n")
		location := strings.TrimPrefix(lines[1], "Location: https://")
		if len(lines) != 3 && len(lines) != 4 || location == lines[1] {
			t.Fatalf("answer %q", got)
		}
		if strings.HasPrefix(target, "/") && !strings.HasSuffix(location, strings.TrimSpace(target)) {
			t.Fatalf("%q leads to %q", target, location)
		}
	})
}
