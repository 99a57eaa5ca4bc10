package admin

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
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
