package admin

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const token = "correct horse battery staple"

// ask is one request to a handler made with o.
type ask struct {
	method, path string
	host         string            // "127.0.0.1:8404" if empty
	head         map[string]string // fields besides
}

func (a ask) of(h http.Handler) *httptest.ResponseRecorder {
	r := httptest.NewRequest(a.method, a.path, nil)
	r.Host = "127.0.0.1:8404"
	if a.host != "" {
		r.Host = a.host
	}
	for name, value := range a.head {
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestRoutes(t *testing.T) {
	tests := []struct {
		name         string
		method, path string
		code         int
		kind, body   string // begin of the Content-Type; part of the body
	}{
		{"page", "GET", "/", 200, "text/html", "No server for owa"},
		{"page-head", "HEAD", "/", 200, "text/html", ""},
		{"style", "GET", "/style.css", 200, "text/css", ".matrix"},
		{"script", "GET", "/page.js", 200, "text/javascript", "EventSource"},
		{"icon", "GET", "/icon.svg", 200, "image/svg+xml", "<svg"},
		{"health", "GET", "/healthz", 200, "text/plain", "ok"},
		{"health-head", "HEAD", "/healthz", 200, "text/plain", ""},
		{"ready", "GET", "/readyz", 200, "text/plain", "ready"},
		{"vip-up", "GET", "/healthz/vip/mail", 200, "text/plain", "up"},
		{"vip-down", "GET", "/healthz/vip/dead", 503, "text/plain", "no server"},
		{"vip-unknown", "GET", "/healthz/vip/other", 404, "text/plain", "no such VIP"},
		{"vip-nameless", "GET", "/healthz/vip/", 404, "text/plain", ""},
		{"status", "GET", "/api/v1/status", 200, "application/json", `"probe_error": "got 503"`},
		{"events-head", "HEAD", "/api/v1/events", 200, "text/event-stream", ""},
		{"unknown", "GET", "/nothing", 404, "text/plain", "not found"},
		{"unknown-api", "GET", "/api/v2/status", 404, "text/plain", "not found"},
		{"template", "GET", "/page.html", 404, "text/plain", "not found"},
		{"page-post", "POST", "/", 405, "text/plain", ""},
		{"status-put", "PUT", "/api/v1/status", 405, "text/plain", ""},
		{"health-delete", "DELETE", "/healthz", 405, "text/plain", ""},
		{"reload-get", "GET", "/api/v1/reload", 405, "text/plain", ""},
	}
	h := New(newFake(), Options{Loopback: true})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := ask{method: tt.method, path: tt.path}.of(h)
			if w.Code != tt.code || !strings.HasPrefix(w.Header().Get("Content-Type"), tt.kind) || !strings.Contains(w.Body.String(), tt.body) {
				t.Errorf("%s %s = %d %s %.200q; want %d %s, with %q",
					tt.method, tt.path, w.Code, w.Header().Get("Content-Type"), w.Body, tt.code, tt.kind, tt.body)
			}
			if w.Code == http.StatusMethodNotAllowed && w.Header().Get("Allow") == "" {
				t.Error("405 without Allow")
			}
			if !strings.Contains(w.Header().Get("Content-Security-Policy"), "default-src 'none'") || w.Header().Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("the browser is not told to be careful: %v", w.Header())
			}
		})
	}
}

func TestReadyFailsWhenTheNodeStops(t *testing.T) {
	f := newFake()
	f.notReady = true
	h := New(f, Options{Loopback: true})
	if w := (ask{method: "GET", path: "/readyz"}).of(h); w.Code != http.StatusServiceUnavailable {
		t.Errorf("/readyz = %d; want 503", w.Code)
	}
	if w := (ask{method: "GET", path: "/healthz"}).of(h); w.Code != http.StatusOK {
		t.Errorf("/healthz = %d; want 200 while the process runs", w.Code)
	}
}

func TestReload(t *testing.T) {
	f := newFake()
	h := New(f, Options{Token: token, Loopback: true})
	post := ask{method: "POST", path: "/api/v1/reload", head: map[string]string{"Authorization": "Bearer " + token}}
	if w := post.of(h); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"reloaded": true`) {
		t.Errorf("reload = %d %s; want 200", w.Code, w.Body)
	}
	f.refuse = errMistake
	if w := post.of(h); w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), `"error": "casbah.toml:3:1: unknown key"`) {
		t.Errorf("refused reload = %d %s; want 422 and why", w.Code, w.Body)
	}
	if n := f.reloads.Load(); n != 2 {
		t.Errorf("%d reloads; want 2", n)
	}
}

func TestAssetIsRevalidated(t *testing.T) {
	h := New(newFake(), Options{Loopback: true})
	first := ask{method: "GET", path: "/style.css"}.of(h)
	again := ask{method: "GET", path: "/style.css", head: map[string]string{"If-None-Match": first.Header().Get("ETag")}}.of(h)
	if again.Code != http.StatusNotModified || first.Header().Get("Cache-Control") != "no-cache" {
		t.Errorf("second request = %d, Cache-Control %q; want 304, no-cache", again.Code, first.Header().Get("Cache-Control"))
	}
}
