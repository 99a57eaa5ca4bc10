package admin

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"casbah/node"
)

func TestServeAnswersAndStops(t *testing.T) {
	addr, stop := serving(t, New(newFake(), Options{Loopback: true}))
	resp, err := http.Get("http://" + addr + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("/healthz = %s", resp.Status)
	}
	if err := stop(); err != nil {
		t.Errorf("Serve = %v; want nil when its context ends", err)
	}
	if _, err := net.Dial("tcp", addr); err == nil {
		t.Error("the listener is open after Serve")
	}
}

func TestServeReportsABrokenListener(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	if err := Serve(t.Context(), New(newFake(), Options{}), ln); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Serve = %v; want why the listener fails", err)
	}
}

// A reload that hangs does not keep the process from stopping.
func TestStopCutsWhatDoesNotEnd(t *testing.T) {
	f := &hanging{fake: newFake(), entered: make(chan struct{})}
	addr, stop := serving(t, New(f, Options{Token: token, Loopback: true}))
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, "POST /api/v1/reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nAuthorization: Bearer "+token+"\r\n\r\n")
	<-f.entered
	begin := time.Now()
	if err := stop(); err != nil {
		t.Errorf("Serve = %v", err)
	}
	if took := time.Since(begin); took < stopGrace {
		t.Errorf("the request was cut after %v; want %v", took, stopGrace)
	}
}

// hanging is a fake whose Reload ends with its request.
type hanging struct {
	*fake
	entered chan struct{}
}

func (h *hanging) Reload(ctx context.Context) error {
	close(h.entered)
	<-ctx.Done()
	return ctx.Err()
}

func TestConnectionsAreBounded(t *testing.T) {
	addr, _ := serving(t, New(newFake(), Options{Loopback: true}))
	answers := func(c net.Conn) bool {
		_ = c.SetDeadline(time.Now().Add(5 * time.Second))
		io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
		line, err := bufio.NewReader(c).ReadString('\n')
		return err == nil && strings.Contains(line, "200")
	}
	conns := make([]net.Conn, maxConns+1)
	for i := range conns {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		conns[i] = c
	}
	if !answers(conns[maxConns-1]) {
		t.Errorf("connection %d is refused", maxConns)
	}
	if answers(conns[maxConns]) {
		t.Errorf("connection %d is answered", maxConns+1)
	}
}

func TestOversizedHeadIsRefused(t *testing.T) {
	addr, _ := serving(t, New(newFake(), Options{Loopback: true}))
	r, err := http.NewRequest(http.MethodGet, "http://"+addr+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Long", strings.Repeat("x", 64<<10))
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a head of 64 KiB = %s; want 431", resp.Status)
	}
}

// What the HTTP server complains of is a line of the log, with its level.
func TestComplaintsAreLogged(t *testing.T) {
	var out bytes.Buffer
	srv := server(New(newFake(), Options{Loopback: true, Log: zerolog.New(&out)}))
	srv.ErrorLog.Printf("http: Accept error: %v", "too many open files")
	if got, want := out.String(), `{"level":"warn","listener":"admin","message":"http: Accept error: too many open files"}`+"\n"; got != want {
		t.Errorf("logged %s; want %s", got, want)
	}
}

// Who may open the socket comes in though strangers hold every place at the listener.
func TestStrangersDoNotFillTheSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	door, err := ListenSocket(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	addr, _ := serving(t, New(newFake(), Options{Token: token}), door)
	for range maxConns {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
		if _, err := bufio.NewReader(c).ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	resp, err := overSocket(t, path).Get("http://casbah/healthz")
	if err != nil {
		t.Fatalf("the socket is shut: %v", err)
	}
	resp.Body.Close()
}

// slow is a fake whose probes and reloads take longer than an answer may be written.
type slow struct{ *fake }

const tooLong = 50 * time.Millisecond

func (s slow) Probe(ctx context.Context, f node.ProbeFilter) ([]node.ProbeAnswer, error) {
	time.Sleep(4 * tooLong)
	return s.fake.Probe(ctx, f)
}

func (s slow) Reload(ctx context.Context) error {
	time.Sleep(4 * tooLong)
	return s.fake.Reload(ctx)
}

// An answer that takes long to come to, as that of many probes of a server that is
// silent, leaves all the same.
func TestLateAnswersLeave(t *testing.T) {
	h := New(slow{newFake()}, Options{Loopback: true, Token: token})
	srv := httptest.NewUnstartedServer(h)
	srv.Config.WriteTimeout = tooLong
	srv.Start()
	defer srv.Close()
	for path, body := range map[string]string{"/api/v1/probe": "{}", "/api/v1/reload": "", "/order": "do=reload&token=" + token} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		resp, err := srv.Client().Transport.RoundTrip(r)
		if err != nil {
			t.Errorf("%s: %v; want an answer", path, err)
			continue
		}
		resp.Body.Close()
	}
}

// Who asks for a reload is told what is wrong, and so is the log.
func TestRefusedReloadIsLogged(t *testing.T) {
	var out bytes.Buffer
	f := newFake()
	f.refuse = errMistake
	h := New(f, Options{Loopback: true, Token: token, Log: zerolog.New(&out)})
	if w := (ask{method: "POST", path: "/api/v1/reload", head: presenting("Bearer " + token)}).of(h); w.Code != http.StatusUnprocessableEntity {
		t.Fatalf("reload = %d", w.Code)
	}
	if want := `"error":"casbah.toml:3:1: unknown key","message":"the configuration in force stays"`; !strings.Contains(out.String(), want) {
		t.Errorf("logged %q; want %s", out.String(), want)
	}
}
