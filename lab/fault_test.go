package lab

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const logonRequest = "GET /owa/auth/logon.aspx HTTP/1.1\r\nHost: h\r\n\r\n"

func TestStopResetsConnections(t *testing.T) {
	a := newArray(t, Options{Servers: 2})
	s := a.CAS(0)
	w := dial(t, s)
	w.write(logonRequest)
	w.head()
	pending := make(chan error, 1)
	go func() {
		r, _ := http.NewRequestWithContext(context.Background(), "POST", address(s, pingQuery("")), nil)
		r.Header.Set("Authorization", basicAuth("alice", "Secret1"))
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err == nil {
			resp.Body.Close()
		}
		pending <- err
	}()
	until(t, "the Ping has come", func() bool { return s.Counts().Requests["eas"] == 1 })
	s.Stop()
	if _, err := io.Copy(io.Discard, w.r); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("idle connection ended with %v; want a reset", err)
	}
	if err := <-pending; err == nil {
		t.Error("the pending request was answered")
	}
	if c, err := net.Dial("tcp", s.Addr()); err == nil {
		c.Close()
		t.Error("a stopped CAS accepts connections")
	}
	if n := s.Counts(); n.Open != 0 || s.Running() {
		t.Errorf("%d connections are open, running %v", n.Open, s.Running())
	}
	for range 2 { // the second does nothing
		if err := s.Start(); err != nil {
			t.Fatal(err)
		}
	}
	dial(t, s).write(logonRequest)
	if !a.CAS(1).Running() {
		t.Error("the other CAS stopped too")
	}
}

func TestStatusFault(t *testing.T) {
	a := newArray(t, Options{Servers: 2})
	if err := a.CAS(0).Fault("owa", Status(503)); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		cas  int
		path string
		want int
	}{
		{"faulty", 0, "/owa/auth/logon.aspx", 503},
		{"its-health-check", 0, "/owa/healthcheck.htm", 503},
		{"other-directory", 0, "/ews/healthcheck.htm", 200},
		{"other-server", 1, "/owa/healthcheck.htm", 200},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := newBrowser(t).send("GET", address(a.CAS(tt.cas), tt.path), ""); got.StatusCode != tt.want {
				t.Errorf("GET %s = %d; want %d", tt.path, got.StatusCode, tt.want)
			}
		})
	}
	a.CAS(0).Heal("owa")
	if got := newBrowser(t).send("GET", address(a.CAS(0), "/owa/healthcheck.htm"), ""); got.StatusCode != 200 {
		t.Errorf("healed = %d; want 200", got.StatusCode)
	}
}

func TestFaultsThatMakeNoSense(t *testing.T) {
	s := newArray(t, Options{Servers: 1}).CAS(0)
	if err := s.Fault("imap4", Hang()); !errors.Is(err, errNoDirectory) {
		t.Errorf("fault of imap4: %v", err)
	}
	for code, ok := range map[int]bool{199: false, 200: true, 599: true, 600: false} {
		if err := s.Fault("owa", Status(code)); (err == nil) != ok {
			t.Errorf("Status(%d): %v", code, err)
		}
	}
}

func TestResetAfter(t *testing.T) {
	s := newArray(t, Options{Servers: 1}).CAS(0)
	for _, n := range []int64{0, 1, 100, 1000} {
		if err := s.Fault(All, ResetAfter(n)); err != nil {
			t.Fatal(err)
		}
		w := dial(t, s)
		w.write(logonRequest)
		var got bytes.Buffer
		_, err := io.Copy(&got, w.r)
		if int64(got.Len()) != n || !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("ResetAfter(%d): %d octets, then %v", n, got.Len(), err)
		}
	}
}

// A fault that was healed is over on connections that are open, too.
func TestHealedResetDoesNotCut(t *testing.T) {
	s := newArray(t, Options{Servers: 1}).CAS(0)
	if err := s.Fault("owa", ResetAfter(4000)); err != nil {
		t.Fatal(err)
	}
	w := dial(t, s)
	for i := range 5 {
		w.write(strings.Replace(logonRequest, "GET", "HEAD", 1))
		if status, _ := w.head(); status != "HTTP/1.1 200 OK" {
			t.Fatalf("request %d: %q", i, status)
		}
		s.Heal("owa")
		w.write(logonRequest)
		_, fields := w.head()
		length := strings.TrimPrefix(fields[slices.IndexFunc(fields, func(f string) bool { return strings.HasPrefix(f, "Content-Length: ") })], "Content-Length: ")
		n, err := strconv.ParseInt(length, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(io.Discard, w.r, n); err != nil {
			t.Fatalf("answer %d: %v", i, err)
		}
	}
}

func TestGarbage(t *testing.T) {
	s := newArray(t, Options{Servers: 1}).CAS(0)
	if err := s.Fault("owa", Garbage()); err != nil {
		t.Fatal(err)
	}
	w := dial(t, s)
	w.write(logonRequest)
	got, err := io.ReadAll(w.r)
	if err != nil || len(got) == 0 || strings.Contains(string(got), "HTTP/1") {
		t.Errorf("garbage is %q, %v", got, err)
	}
}

func TestSlow(t *testing.T) {
	s := newArray(t, Options{Servers: 1}).CAS(0)
	const delay = 50 * time.Millisecond
	if err := s.Fault("owa", Slow(delay)); err != nil {
		t.Fatal(err)
	}
	started := time.Now()
	got := newBrowser(t).send("GET", address(s, "/owa/auth/logon.aspx"), "")
	if took := time.Since(started); got.StatusCode != 200 || took < delay {
		t.Errorf("= %d after %v; want 200 after %v", got.StatusCode, took, delay)
	}
}

func TestHangEndsWhenHealed(t *testing.T) {
	s := newArray(t, Options{Servers: 1}).CAS(0)
	if err := s.Fault(All, Hang()); err != nil {
		t.Fatal(err)
	}
	w := dial(t, s)
	w.write(logonRequest)
	until(t, "the request has come", func() bool { return s.Counts().Requests["owa"] == 1 })
	if err := w.SetReadDeadline(time.Now().Add(30 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := w.r.ReadByte(); err == nil {
		t.Fatal("a hanging CAS answered")
	}
	if err := w.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	s.Heal(All)
	if status, _ := w.head(); status != "HTTP/1.1 200 OK" {
		t.Errorf("healed: %q", status)
	}
}

// While a CAS is stopped its port may become the source port of a connection.
func TestListenWaitsForThePort(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	address := taken.Addr().String()
	if l, err := listen(address, 0); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("listen without patience = %v, %v; want EADDRINUSE", l, err)
	}
	free := time.AfterFunc(100*time.Millisecond, func() { taken.Close() })
	defer free.Stop()
	l, err := listen(address, patience)
	if err != nil {
		t.Fatalf("listen with patience: %v", err)
	}
	l.Close()
}
