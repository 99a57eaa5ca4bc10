package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// h2specAt is the tool that tests servers for conformance to HTTP/2.
const h2specAt = "github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible"

// h2specLeast is how many of its 145 tests must pass; docs/TLS.md tells of the others.
const h2specLeast = 142

var (
	h2specSum  = regexp.MustCompile(`(\d+) tests, (\d+) passed, (\d+) skipped, (\d+) failed`)
	h2specFail = regexp.MustCompile(`(?m)^\s+[×✗] (\d+): (.*)$`)
)

// h2spec against a VIP with HTTP/2.
func TestRealH2spec(t *testing.T) {
	t.Parallel()
	real(t)
	bin := t.TempDir()
	install := exec.CommandContext(t.Context(), "go", "install", h2specAt)
	install.Env = append(os.Environ(), "GOBIN="+bin, "GOFLAGS=-mod=mod")
	install.Dir = bin // outside of this module
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	overHTTP2(t, func(t *testing.T, r *rig, serve func(http.HandlerFunc)) {
		serve(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			_, _ = io.WriteString(w, strings.Repeat("casbah ", 100)) // some tests want a body that can be held up
		})
		host, port, err := net.SplitHostPort(r.tls)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
		defer cancel()
		out, _ := exec.CommandContext(ctx, filepath.Join(bin, "h2spec"), "-h", host, "-p", port, "-t", "-k", "-P", "/owa/", "-o", "5").CombinedOutput() // its code tells of failures, as its words do
		m := h2specSum.FindSubmatch(out)
		if m == nil {
			t.Fatalf("%s", out)
		}
		passed, _ := strconv.Atoi(string(m[2]))
		t.Logf("%s", m[0])
		if passed < h2specLeast {
			t.Errorf("%s; want %d passed\n%s", m[0], h2specLeast, out)
		}
		for _, f := range h2specFail.FindAllSubmatch(out, -1) {
			t.Logf("fails: %s: %s", f[1], f[2])
		}
		if resp, _ := r.http2("127.0.0.2").fetch("GET", "/owa/"); resp.StatusCode != http.StatusOK {
			t.Errorf("after it all: %s", resp.Status)
		}
		r.until("all is over", func() bool { return r.node.Status().Connections <= 1 })
	}, setup{})
}

// The real curl over HTTP/2: a login by the form, pages, and many at once; over
// HTTP/1.1 beside it.
func TestRealCurlHTTP2(t *testing.T) {
	t.Parallel()
	real(t)
	curl := peer(t, "curl")
	newHTTP2(t, func(t *testing.T, r *rig) {
		base, jar := "https://"+r.tls, filepath.Join(t.TempDir(), "jar")
		run := func(args ...string) string {
			t.Helper()
			args = append([]string{"--silent", "--show-error", "--insecure", "--max-time", "60", "--cookie", jar, "--cookie-jar", jar, "--include"}, args...)
			out, err := exec.CommandContext(t.Context(), curl, args...).CombinedOutput()
			if err != nil {
				t.Fatalf("curl %q: %v\n%s", args, err, out)
			}
			return string(out)
		}
		out := run("--http2", "--location", "--data", "destination=/owa/", "--data", "username=alice", "--data", "password=Secret1", base+"/owa/auth/owaauth.dll")
		if !strings.Contains(out, "HTTP/2 302") || !strings.Contains(out, "HTTP/2 200") {
			t.Fatalf("login:\n%s", out)
		}
		servers := all(regexp.MustCompile(`(?mi)^x-lab-server: (\S+)`), out)
		for _, version := range []string{"--http2", "--http1.1"} {
			args := []string{version}
			for n := range 30 {
				args = append(args, fmt.Sprintf("%s/owa/?page=%d", base, n+1))
			}
			out := run(append(args, "--parallel")...)
			got := all(regexp.MustCompile(`(?mi)^x-lab-server: (\S+)`), out)
			if others := slices.Compact(slices.Concat(servers, got)); len(got) != 30 || len(others) != 1 {
				t.Errorf("%s: %d pages of %v", version, len(got), others)
			}
			if n := strings.Count(out, "HTTP/2 200"); version == "--http2" && n != 30 || version != "--http2" && n != 0 {
				t.Errorf("%s: %d pages by HTTP/2", version, n)
			}
		}
	}, setup{})
}

// A person reads mail by a real Chromium, over HTTP/2, on one server.
func TestRealBrowserHTTP2(t *testing.T) {
	t.Parallel()
	real(t)
	peer(t, "chromium")
	newHTTP2(t, func(t *testing.T, r *rig) {
		b := newBrowser(t)
		b.run(chromedp.Navigate("https://" + r.tls + "/"))
		home := b.logon("alice", "Secret1")
		b.read(10, home)
		if got := is[string](b, "performance.getEntriesByType('navigation')[0].nextHopProtocol"); got != "h2" {
			t.Errorf("the page came by %q", got)
		}
		if v := r.vipStatus("tls"); v.HTTP2.Requests < 12 {
			t.Errorf("%+v", v.HTTP2)
		}
		b.quiet("favicon.ico") // which nobody serves
	}, setup{})
}
