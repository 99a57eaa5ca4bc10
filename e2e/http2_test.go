package e2e

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// http2Profiles are those that HTTP/2 is meant for.
const http2Profiles = `"owa", "ecp", "eas"`

// newHTTP2 starts a rig whose https VIP offers HTTP/2, with each driver.
func newHTTP2(t *testing.T, f func(t *testing.T, r *rig), s setup) {
	t.Helper()
	engines(t, func(t *testing.T, m mode) {
		s := s
		s.mode, s.profiles, s.https = mode{engine: m.engine, vip: "tls"}, cmp.Or(s.profiles, http2Profiles), "http2 = true\n"
		f(t, newRig(t, s))
	})
}

// http2 returns a client that speaks nothing but HTTP/2, over connections from
// source.
func (r *rig) http2(source string) *client {
	r.t.Helper()
	c := r.client(source)
	tr := c.Transport.(*http.Transport)
	tr.Protocols = new(http.Protocols)
	tr.Protocols.SetHTTP2(true)
	return c
}

// overHTTP2 is newHTTP2 in front of a server that serves what it is made to.
func overHTTP2(t *testing.T, f func(t *testing.T, r *rig, serve func(http.HandlerFunc)), s setup) {
	t.Helper()
	engines(t, func(t *testing.T, m mode) {
		var handler atomic.Pointer[http.HandlerFunc]
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*handler.Load())(w, r) }))
		t.Cleanup(server.Close)
		s := s
		s.mode, s.profiles, s.https = mode{engine: m.engine, vip: "tls"}, http2Profiles, "http2 = true\n"+s.https
		s.servers, s.extra = []string{server.Listener.Addr().String()}, unprobed("owa", "ecp", "eas")
		f(t, newRig(t, s), func(h http.HandlerFunc) { handler.Store(&h) })
	})
}

// fetched is a response that was read to its end.
type fetched struct {
	StatusCode, ProtoMajor int
	Status, Proto          string
	ContentLength          int64
	Header, Trailer        http.Header
}

// fetch sends a request and returns the response and its body.
func (c *client) fetch(method, path string, header ...string) (*fetched, []byte) {
	c.t.Helper()
	resp, text, err := c.tryFetch(method, path, nil, header...)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	return resp, text
}

// tryFetch is fetch for goroutines that may not end the test.
func (c *client) tryFetch(method, path string, body io.Reader, header ...string) (*fetched, []byte, error) {
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.base+path, body)
	if err != nil {
		return nil, nil, err
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	resp, err := c.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return &fetched{resp.StatusCode, resp.ProtoMajor, resp.Status, resp.Proto, resp.ContentLength, resp.Header, resp.Trailer}, text, err
}

// A page comes by HTTP/2 as by HTTP/1.1, which the VIP goes on to speak, and both
// are on record.
func TestHTTP2ServesPages(t *testing.T) {
	newHTTP2(t, func(t *testing.T, r *rig) {
		new, old := r.http2("127.0.0.2"), r.client("127.0.0.2")
		for _, tt := range []struct {
			c     *client
			major int
		}{{new, 2}, {old, 1}} {
			resp, _ := tt.c.fetch("GET", "/owa/healthcheck.htm")
			if resp.ProtoMajor != tt.major || resp.StatusCode != http.StatusOK || resp.Header.Get("X-Lab-Server") == "" {
				t.Errorf("%s %s from %q", resp.Proto, resp.Status, resp.Header.Get("X-Lab-Server"))
			}
		}
		r.until("both are counted", func() bool { return r.vipStatus("tls").Requests == 2 })
		v := r.vipStatus("tls")
		if h := v.HTTP2; h == nil || h.Requests != 1 || h.Accepted != 1 || h.Connections != 1 || v.Conns != 2 {
			t.Errorf("status of HTTP/2 %+v of %d connections; want one connection with one request, of two", h, v.Conns)
		}
		r.until("both are recorded", func() bool { text, _ := r.accessLog(); return strings.Count(text, "\n") == 2 })
		text, _ := r.accessLog()
		if n := strings.Count(text, `"http2":true`); n != 1 {
			t.Errorf("%d records of HTTP/2; want one\n%s", n, text)
		}
	}, setup{})
}

// sum names octets.
func sum(p []byte) string {
	h := sha256.Sum256(p)
	return hex.EncodeToString(h[:])
}

// A MiB both ways, its length known or not, by 100 streams of one connection at
// the same time, and no octet is lost or another one's.
func TestHTTP2CarriesBodies(t *testing.T) {
	t.Parallel()
	overHTTP2(t, func(t *testing.T, r *rig, serve func(http.HandlerFunc)) {
		echo := func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				panic(http.ErrAbortHandler)
			}
			w.Header().Set("X-Sum", sum(body))
			w.Header().Set("X-Length", strconv.FormatInt(r.ContentLength, 10))
			if r.URL.Query().Has("length") {
				w.Header().Set("Content-Length", strconv.Itoa(len(body)))
			}
			_, _ = w.Write(body)
		}
		serve(echo)
		c := r.http2("127.0.0.2")
		c.fetch("GET", "/owa/") // a client that has no connection yet may open one for each request
		var work sync.WaitGroup
		for i := range 100 {
			size := 1 << 20
			if raceDetector && i >= 4 {
				size = 64 << 10
			}
			work.Go(func() {
				data := noise(uint64(i), size)
				path, body, length := "/owa/", io.Reader(bytes.NewReader(data)), strconv.Itoa(size)
				if i%2 == 0 {
					path += "?length"
				}
				if i%3 == 0 {
					body, length = io.MultiReader(body), "-1"
				}
				resp, got, err := c.tryFetch("POST", path, body)
				if err != nil {
					t.Errorf("stream %d: %v", i, err)
					return
				}
				if !bytes.Equal(got, data) || resp.Header.Get("X-Sum") != sum(data) || resp.Header.Get("X-Length") != length {
					t.Errorf("stream %d: %s: %d octets; the server has seen %s of them", i, resp.Status, len(got), resp.Header.Get("X-Length"))
				}
			})
		}
		work.Wait()
		if v := r.vipStatus("tls"); v.HTTP2.Accepted != 1 {
			t.Errorf("%d connections; want one", v.HTTP2.Accepted)
		}
	}, setup{})
}

// Heads pass as RFC 9113 has them: what is of a connection stays behind, crumbs
// of cookies are one field, HEAD, 204 and 304 have no body, and trailers and 1xx
// come through.
func TestHTTP2Heads(t *testing.T) {
	overHTTP2(t, func(t *testing.T, r *rig, serve func(http.HandlerFunc)) {
		seen := make(chan *http.Request, 1)
		answer := func(w http.ResponseWriter, r *http.Request) {
			seen <- r
			h := w.Header()
			switch r.URL.Path {
			case "/owa/hints":
				h.Set("Link", "</a.css>")
				w.WriteHeader(http.StatusEarlyHints)
				h.Del("Link")
			case "/owa/204":
				w.WriteHeader(http.StatusNoContent)
			case "/owa/304":
				h.Set("ETag", `"7"`)
				w.WriteHeader(http.StatusNotModified)
			case "/owa/trailers":
				_, _ = io.WriteString(w, "body")
				w.(http.Flusher).Flush()
				h.Set(http.TrailerPrefix+"X-Sum", "42")
				return
			}
			h.Set("Connection", "X-Hop")
			h.Set("Keep-Alive", "timeout=5")
			h.Set("Content-Length", "7")
			if r.Method != http.MethodHead {
				_, _ = io.WriteString(w, "content")
			}
		}
		serve(answer)
		c := r.http2("127.0.0.2")
		c.Jar = nil
		for _, tt := range []struct {
			method, path string
			status       int
			body, length string
			trailer      string
		}{
			{"GET", "/owa/", 200, "content", "7", ""},
			{"HEAD", "/owa/", 200, "", "7", ""},
			{"GET", "/owa/204", 204, "", "", ""},
			{"GET", "/owa/304", 304, "", "", ""},
			{"GET", "/owa/hints", 200, "content", "7", ""},
			{"GET", "/owa/trailers", 200, "body", "4", "42"},
			{"POST", "/owa/", 200, "content", "7", ""},
		} {
			resp, body := c.fetch(tt.method, tt.path, "Cookie", "a=1; b=2", "Cookie", "c=3", "TE", "trailers", "X-Forwarded-For", "192.0.2.1")
			req := <-seen
			if resp.StatusCode != tt.status || string(body) != tt.body || resp.ContentLength > 0 && resp.Header.Get("Content-Length") != tt.length || resp.Trailer.Get("X-Sum") != tt.trailer {
				t.Errorf("%s %s: %s, %q, length %q, trailer %q", tt.method, tt.path, resp.Status, body, resp.Header.Get("Content-Length"), resp.Trailer.Get("X-Sum"))
			}
			for _, name := range []string{"Connection", "Keep-Alive", "Transfer-Encoding"} {
				if v := resp.Header.Values(name); len(v) > 0 {
					t.Errorf("%s %s: %s: %q", tt.method, tt.path, name, v)
				}
			}
			if got := strings.Join(req.Header["Cookie"], "|"); got != "a=1; b=2; c=3" {
				t.Errorf("cookies %q", got)
			}
			if req.Host != strings.TrimPrefix(c.base, "https://") || req.Header.Get("X-Forwarded-For") != "127.0.0.2" || req.Header.Get("X-Forwarded-Proto") != "https" {
				t.Errorf("Host %q, %v", req.Host, req.Header)
			}
			if tt.method == "POST" && req.Header.Get("Content-Length") != "0" && req.ContentLength != 0 {
				t.Errorf("a POST without a body has length %d", req.ContentLength)
			}
		}
	}, setup{})
}

// An answer that has no end yet comes as far as it is there.
func TestHTTP2StreamsAtOnce(t *testing.T) {
	overHTTP2(t, func(t *testing.T, r *rig, serve func(http.HandlerFunc)) {
		trickle := func(w http.ResponseWriter, r *http.Request) {
			_ = http.NewResponseController(w).EnableFullDuplex()
			buf := make([]byte, 4)
			for range 3 {
				if _, err := io.ReadFull(r.Body, buf); err != nil {
					return
				}
				_, _ = w.Write(buf)
				w.(http.Flusher).Flush()
			}
			_, _ = io.Copy(io.Discard, r.Body)
		}
		serve(trickle)
		c := r.http2("127.0.0.2")
		body, say := io.Pipe()
		req, err := http.NewRequestWithContext(t.Context(), "POST", c.base+"/owa/", body)
		if err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = io.WriteString(say, "ping") }()
		resp, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		buf := make([]byte, 4)
		for i := range 3 {
			if i > 0 {
				if _, err := io.WriteString(say, "ping"); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := io.ReadFull(resp.Body, buf); err != nil || string(buf) != "ping" {
				t.Fatalf("%q, %v", buf, err)
			}
		}
		_ = say.Close()
		if rest, err := io.ReadAll(resp.Body); err != nil || len(rest) > 0 {
			t.Errorf("%q, %v behind the end", rest, err)
		}
	}, setup{})
}

// A client that does not read stops its server, and no other stream.
func TestHTTP2SlowReaderStopsTheServer(t *testing.T) {
	overHTTP2(t, func(t *testing.T, r *rig, serve func(http.HandlerFunc)) {
		var mu sync.Mutex
		wrote := 0
		flood := func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/owa/flood" {
				return
			}
			block := make([]byte, 64<<10)
			for range 1 << 10 { // 64 MiB
				if _, err := w.Write(block); err != nil {
					return
				}
				mu.Lock()
				wrote += len(block)
				mu.Unlock()
			}
		}
		got := func() int {
			mu.Lock()
			defer mu.Unlock()
			return wrote
		}
		serve(flood)
		c := r.http2("127.0.0.2")
		mu.Lock()
		wrote = 0
		mu.Unlock()
		req, err := http.NewRequestWithContext(t.Context(), "GET", c.base+"/owa/flood", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		last := -1
		r.until("the server stands still", func() bool {
			time.Sleep(200 * time.Millisecond)
			now := got()
			still := now == last
			last = now
			return still
		})
		if last > 32<<20 { // windows and buffers of two kernels, the client's of 4 MiB among them
			t.Errorf("the server has sent %d octets to a client that does not read", last)
		}
		if resp, _ := c.fetch("GET", "/owa/"); resp.StatusCode != http.StatusOK {
			t.Errorf("another stream: %s", resp.Status)
		}
		n, err := io.Copy(io.Discard, resp.Body)
		if err != nil || n != 64<<20 {
			t.Errorf("%d octets, %v; want 64 MiB", n, err)
		}
		_ = resp.Body.Close()
	}, setup{})
}

// A stream that its client takes back ends at the server, too, whatever it was at.
func TestHTTP2CancelledStreamEndsAtTheServer(t *testing.T) {
	overHTTP2(t, func(t *testing.T, r *rig, serve func(http.HandlerFunc)) {
		began, over := make(chan struct{}), make(chan struct{})
		serve(func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/owa/body":
				_, _ = io.WriteString(w, "begun")
				w.(http.Flusher).Flush()
			case "/owa/upload":
				_, _ = io.ReadFull(r.Body, make([]byte, 4))
			}
			began <- struct{}{}
			_, err := io.Copy(io.Discard, r.Body)
			if err == nil {
				<-r.Context().Done()
			}
			over <- struct{}{}
		})
		c := r.http2("127.0.0.2")
		for _, tt := range []struct{ method, path string }{{"GET", "/owa/head"}, {"GET", "/owa/body"}, {"POST", "/owa/upload"}} {
			ctx, cancel := context.WithCancel(t.Context())
			var body io.Reader
			if tt.method == "POST" {
				body = io.MultiReader(strings.NewReader("some"), stuck{ctx})
			}
			req, err := http.NewRequestWithContext(ctx, tt.method, c.base+tt.path, body)
			if err != nil {
				t.Fatal(err)
			}
			var work sync.WaitGroup
			work.Go(func() {
				if resp, err := c.Do(req); err == nil {
					_, _ = io.Copy(io.Discard, resp.Body)
					_ = resp.Body.Close()
				}
			})
			<-began
			cancel()
			select {
			case <-over:
			case <-time.After(10 * time.Second):
				t.Fatalf("%s: the server is still at it", tt.path)
			}
			work.Wait()
		}
		if v := r.vipStatus("tls"); v.HTTP2.Accepted != 1 {
			t.Errorf("%d connections; want one for all", v.HTTP2.Accepted)
		}
	}, setup{})
}

// stuck is a body that goes no further.
type stuck struct{ ctx context.Context } //nolint:containedctx // it is the life of the reader

func (s stuck) Read([]byte) (int, error) {
	<-s.ctx.Done()
	return 0, s.ctx.Err()
}

// What HTTP/2 cannot carry is not offered: challenges of NTLM and Negotiate go,
// others stay, and a server that offers nothing else is answered for.
func TestHTTP2LoginsOfConnections(t *testing.T) {
	overHTTP2(t, func(t *testing.T, r *rig, serve func(http.HandlerFunc)) {
		challenge := func(w http.ResponseWriter, r *http.Request) {
			for _, v := range r.URL.Query()["offer"] {
				w.Header().Add("WWW-Authenticate", v)
			}
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, "who are you?")
		}
		serve(challenge)
		c, old := r.http2("127.0.0.2"), r.client("127.0.0.2")
		for _, tt := range []struct {
			offers string
			status int
			want   string
		}{
			{"NTLM|Negotiate|Basic realm=\"a, b\"", 401, "Basic realm=\"a, b\""},
			{"Negotiate, NTLM, Basic realm=\"x\"", 401, "Basic realm=\"x\""},
			{"Basic realm=x, charset=\"UTF-8\", NTLM, Bearer", 401, "Basic realm=x, charset=\"UTF-8\", Bearer"},
			{"Bearer", 401, "Bearer"},
			{"NTLM", 502, ""},
			{"Negotiate|ntlm", 502, ""},
		} {
			path := "/owa/?" + query("offer", strings.Split(tt.offers, "|"))
			resp, _ := c.fetch("GET", path)
			if got := strings.Join(resp.Header["Www-Authenticate"], "|"); resp.StatusCode != tt.status || got != tt.want {
				t.Errorf("%s: %s with %q; want %d with %q", tt.offers, resp.Status, got, tt.status, tt.want)
			}
			resp, _ = old.fetch("GET", path)
			if got := strings.Join(resp.Header["Www-Authenticate"], "|"); resp.StatusCode != 401 || got != tt.offers {
				t.Errorf("HTTP/1.1: %s with %q; want all of %q", resp.Status, got, tt.offers)
			}
		}
		_, page := c.fetch("GET", "/owa/?offer=NTLM", "Accept", "text/html")
		if !strings.Contains(string(page), "HTTP/1.1") {
			t.Errorf("the page %q does not say what to do", page)
		}
		if n := r.vipStatus("tls").Refused["login"]; n != 3 {
			t.Errorf("%d refusals for login; want 3", n)
		}
	}, setup{})
}

// query writes values of one key.
func query(key string, values []string) string {
	return url.Values{key: values}.Encode()
}

// When casbah stops, clients of HTTP/2 are told, and what is open is finished.
func TestHTTP2Stop(t *testing.T) {
	overHTTP2(t, func(t *testing.T, r *rig, serve func(http.HandlerFunc)) {
		open, finish := make(chan struct{}), make(chan struct{})
		wait := func(w http.ResponseWriter, _ *http.Request) {
			open <- struct{}{}
			<-finish
			_, _ = io.WriteString(w, "finished")
		}
		serve(wait)
		c := r.http2("127.0.0.2")
		var work sync.WaitGroup
		work.Go(func() {
			if resp, body, err := c.tryFetch("GET", "/owa/", nil); err != nil || resp.StatusCode != http.StatusOK || string(body) != "finished" {
				t.Errorf("%v, %q, %v; want it finished", resp, body, err)
			}
		})
		<-open
		idle := r.http2("127.0.0.3")
		idle.fetch("GET", "/nowhere") // casbah answers that
		stopped := make(chan struct{})
		work.Go(func() {
			r.stop()
			close(stopped)
		})
		r.until("it stops", func() bool { return r.node.Status().Stopping })
		r.until("the idle connection is gone", func() bool { return r.node.Status().Connections == 1 })
		finish <- struct{}{}
		work.Wait()
		<-stopped
	}, setup{drain: time.Minute})
}

// HTTP/2 can be turned off by a reload: connections end with what is open. To turn
// it on takes a start, but where the driver is net.
func TestHTTP2Reload(t *testing.T) {
	newHTTP2(t, func(t *testing.T, r *rig) {
		c := r.http2("127.0.0.2")
		c.fetch("GET", "/owa/healthcheck.htm")
		on := r.read()
		r.write(strings.Replace(on, "http2 = true", "", 1))
		if err := r.node.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		c.fetch("GET", "/owa/healthcheck.htm")
		r.until("the connection has ended", func() bool { return r.vipStatus("tls").Conns == 0 })
		if resp, _, err := c.tryFetch("GET", "/owa/healthcheck.htm", nil); err == nil && resp.ProtoMajor == 2 {
			t.Errorf("%s is still spoken", resp.Proto)
		}
		r.write(on)
		if err := r.node.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		if resp, _ := c.fetch("GET", "/owa/healthcheck.htm"); resp.ProtoMajor != 2 {
			t.Errorf("%s", resp.Proto)
		}
	}, setup{})
}

// One VIP's address that HTTP/1.1 has cannot be given to HTTP/2 by a reload, where
// loops drive it.
func TestHTTP2WantsAnAddress(t *testing.T) {
	engines(t, func(t *testing.T, m mode) {
		r := newRig(t, setup{mode: mode{engine: m.engine, vip: "tls"}, profiles: http2Profiles})
		r.write(strings.Replace(r.read(), "name = \"tls\"\n", "name = \"tls\"\nhttp2 = true\n", 1))
		err := r.node.Reload(t.Context())
		if m.engine == "net" {
			if resp, _ := r.http2("127.0.0.2").fetch("GET", "/owa/healthcheck.htm"); err != nil || resp.ProtoMajor != 2 {
				t.Errorf("%s, %v", resp.Proto, err)
			}
			return
		}
		if err == nil || !strings.Contains(err.Error(), "http2") {
			t.Errorf("reload: %v; want it refused", err)
		}
		if resp, _ := r.client("127.0.0.2").fetch("GET", "/owa/healthcheck.htm"); resp.StatusCode != http.StatusOK {
			t.Errorf("HTTP/1.1: %s", resp.Status)
		}
	})
}
