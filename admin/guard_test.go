package admin

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
)

func basic(user, password string) map[string]string {
	return map[string]string{"Authorization": "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))}
}

func presenting(value string) map[string]string { return map[string]string{"Authorization": value} }

func TestWhoMayRead(t *testing.T) {
	tests := []struct {
		name string
		o    Options
		path string
		head map[string]string
		code int
	}{
		{"loopback-open", Options{Loopback: true}, "/api/v1/status", nil, 200},
		{"loopback-open-though-token", Options{Loopback: true, Token: token}, "/", nil, 200},
		{"remote-without", Options{Token: token}, "/api/v1/status", nil, 401},
		{"remote-page-without", Options{Token: token}, "/", nil, 401},
		{"remote-events-without", Options{Token: token}, "/api/v1/events", nil, 401},
		{"remote-style-without", Options{Token: token}, "/style.css", nil, 401},
		{"remote-bearer", Options{Token: token}, "/api/v1/status", presenting("Bearer " + token), 200},
		{"remote-bearer-case", Options{Token: token}, "/api/v1/status", presenting("bearer " + token), 200},
		{"remote-basic", Options{Token: token}, "/", basic("anybody", token), 200},
		{"remote-wrong", Options{Token: token}, "/api/v1/status", presenting("Bearer wrong"), 401},
		{"remote-prefix", Options{Token: token}, "/api/v1/status", presenting("Bearer " + token[:8]), 401},
		{"remote-empty", Options{Token: token}, "/api/v1/status", presenting("Bearer "), 401},
		{"remote-basic-wrong", Options{Token: token}, "/", basic(token, "wrong"), 401},
		{"remote-other-scheme", Options{Token: token}, "/", presenting("Digest " + token), 401},
		{"remote-no-token-set", Options{}, "/api/v1/status", nil, 403},
		{"remote-no-token-set-empty-bearer", Options{}, "/api/v1/status", presenting("Bearer "), 403},
		{"remote-no-token-set-empty-basic", Options{}, "/", basic("", ""), 403},
		{"remote-health-open", Options{Token: token}, "/healthz", nil, 200},
		{"remote-ready-open", Options{Token: token}, "/readyz", nil, 200},
		{"remote-vip-open", Options{Token: token}, "/healthz/vip/mail", nil, 200},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := ask{method: "GET", path: tt.path, host: "lb.example.org", head: tt.head}
			if tt.o.Loopback {
				w.host = ""
			}
			got := w.of(New(newFake(), tt.o))
			if got.Code != tt.code {
				t.Errorf("GET %s = %d; want %d", tt.path, got.Code, tt.code)
			}
			asks := strings.Join(got.Header().Values("WWW-Authenticate"), ", ")
			if tt.code == 401 && (!strings.Contains(asks, "Basic ") || !strings.Contains(asks, "Bearer ")) {
				t.Errorf("401 asks for %q; want Basic, for browsers, and Bearer", asks)
			}
			if tt.code >= 400 && strings.Contains(got.Body.String(), "cas1") {
				t.Error("the refusal tells of servers")
			}
		})
	}
}

func TestWhoMayChange(t *testing.T) {
	both := func(more map[string]string) map[string]string {
		more["Authorization"] = "Bearer " + token
		return more
	}
	tests := []struct {
		name string
		o    Options
		head map[string]string
		code int
	}{
		{"bearer", Options{Loopback: true, Token: token}, presenting("Bearer " + token), 200},
		{"bearer-remote", Options{Token: token}, presenting("Bearer " + token), 200},
		{"same-origin", Options{Loopback: true, Token: token}, both(map[string]string{"Sec-Fetch-Site": "same-origin"}), 200},
		{"without", Options{Loopback: true, Token: token}, nil, 401},
		{"wrong", Options{Loopback: true, Token: token}, presenting("Bearer wrong"), 401},
		{"basic", Options{Loopback: true, Token: token}, basic("", token), 401}, // browsers send it for others
		{"no-token-set", Options{Loopback: true}, nil, 403},
		{"no-token-set-empty", Options{Loopback: true}, presenting("Bearer "), 403},
		{"cross-site", Options{Loopback: true, Token: token}, both(map[string]string{"Sec-Fetch-Site": "cross-site"}), 403},
		{"foreign-origin", Options{Loopback: true, Token: token}, both(map[string]string{"Origin": "https://evil.example"}), 403},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake()
			w := ask{method: "POST", path: "/api/v1/reload", head: tt.head}.of(New(f, tt.o))
			if w.Code != tt.code {
				t.Errorf("POST reload = %d %s; want %d", w.Code, w.Body, tt.code)
			}
			if want := tt.code == 200; (f.reloads.Load() == 1) != want {
				t.Errorf("%d reloads after a %d", f.reloads.Load(), w.Code)
			}
			if strings.Contains(w.Header().Get("WWW-Authenticate"), "Basic") {
				t.Error("a change asks for Basic, which does not do")
			}
		})
	}
}

func TestHostOnLoopback(t *testing.T) {
	tests := []struct {
		host string
		code int
	}{
		{"127.0.0.1:8404", 200},
		{"127.9.9.9", 200},
		{"localhost", 200},
		{"LOCALHOST:8404", 200},
		{"[::1]:8404", 200},
		{"[::1]", 200},
		{"[::ffff:127.0.0.1]:8404", 200},
		{"admin.internal:8404", 200}, // as configured
		{"evil.example", 421},
		{"evil.example:8404", 421},
		{"127.0.0.1.evil.example:8404", 421},
		{"localhost.evil.example", 421},
		{"192.0.2.1:8404", 421},
		{"0.0.0.0:8404", 421},
	}
	h := New(newFake(), Options{Loopback: true, Host: "admin.internal"})
	for _, tt := range tests {
		t.Run(tt.host, func(t *testing.T) {
			for _, path := range []string{"/", "/api/v1/status", "/healthz", "/nothing"} {
				w := ask{method: "GET", path: path, host: tt.host}.of(h)
				if (w.Code == http.StatusMisdirectedRequest) != (tt.code == http.StatusMisdirectedRequest) {
					t.Errorf("GET %s at %s = %d; want %d", path, tt.host, w.Code, tt.code)
				}
			}
		})
	}
	if w := (ask{method: "GET", path: "/healthz", host: "lb.example.org"}).of(New(newFake(), Options{Token: token})); w.Code != 200 {
		t.Errorf("off loopback, any host name: %d; want 200", w.Code)
	}
}

// A health check in HTTP/1.0 has no Host; a browser always has one.
func TestNoHost(t *testing.T) {
	h := New(newFake(), Options{Loopback: true})
	if !h.names("") {
		t.Error("a request without Host is refused")
	}
}
