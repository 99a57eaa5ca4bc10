package admin

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// overSocket returns a client that knows one place.
func overSocket(t *testing.T, path string) *http.Client {
	t.Helper()
	tr := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

// Who came through the socket may read and change without a token, whatever host
// it names; who came through the listener beside it may not.
func TestSocketNeedsNoToken(t *testing.T) {
	f := newFake()
	h := New(f, Options{Token: token})
	path := filepath.Join(t.TempDir(), "s")
	door, err := ListenSocket(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != socketMode || info.Mode().Type() != fs.ModeSocket {
		t.Fatalf("the socket is %v, %v; want mode 0660", info.Mode(), err)
	}
	addr, stop := serving(t, h, door)
	post := func(c *http.Client, url string) int {
		resp, err := c.Post(url, "", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	if got := post(overSocket(t, path), "http://anything/api/v1/reload"); got != http.StatusOK || f.reloads.Load() != 1 {
		t.Errorf("reload over the socket = %d, %d reloads; want 200, 1", got, f.reloads.Load())
	}
	plain := &http.Client{Transport: new(http.Transport)}
	defer plain.CloseIdleConnections()
	if got := post(plain, "http://"+addr+"/api/v1/reload"); got != http.StatusUnauthorized {
		t.Errorf("reload over the listener = %d; want 401", got)
	}
	plain.CloseIdleConnections()
	if err := stop(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is left behind: %v", err)
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// On a listener of loopback foreign hosts are refused, on a socket they do no harm.
func TestSocketTakesAnyHost(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	door, err := ListenSocket(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	serving(t, New(newFake(), Options{Loopback: true}), door)
	resp, err := overSocket(t, path).Get("http://evil.example/api/v1/status")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("status over the socket = %s; want 200", resp.Status)
	}
}

func TestSocketPathIsTooLong(t *testing.T) {
	_, err := ListenSocket(t.Context(), "/tmp/"+strings.Repeat("a", maxSocketPath))
	if !errors.Is(err, ErrSocketPath) {
		t.Errorf("ListenSocket = %v; want %v", err, ErrSocketPath)
	}
}

// A listener that is closed late does not take away the file of its successor.
func TestSocketLeavesItsSuccessor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	first, err := ListenSocket(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ListenSocket(t.Context(), path); err == nil || !strings.Contains(err.Error(), "another casbah") {
		t.Fatalf("a second listener = %v; want a refusal", err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	second, err := ListenSocket(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the second socket is gone: %v", err)
	}
}
