package admin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// socketMode lets root and the user and group that casbah runs as connect, and
// nobody else: whoever connects may do everything.
const socketMode = 0o660

// maxSocketPath is the longest path that Linux takes for a socket, in octets.
const maxSocketPath = 107

// ErrSocketPath is that a path is too long for a socket.
var ErrSocketPath = errors.New("the path of a socket has 107 octets at most")

// ListenSocket opens a Unix socket for those who may open the file: they need no
// token. One that a casbah left behind is replaced, one that somebody answers on is
// not. The file goes when the listener is closed.
func ListenSocket(ctx context.Context, path string) (net.Listener, error) {
	if len(path) > maxSocketPath {
		return nil, fmt.Errorf("%s: %w", path, ErrSocketPath)
	}
	if err := vacant(ctx, path); err != nil {
		return nil, err
	}
	// Nobody can connect before the mode is what it should be: until then the
	// socket stands in a directory of our own.
	dir, err := os.MkdirTemp(filepath.Dir(path), ".s")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	made := filepath.Join(dir, "s")
	if len(made) > maxSocketPath {
		return nil, fmt.Errorf("%s: %w", made, ErrSocketPath)
	}
	ln, err := new(net.ListenConfig).Listen(ctx, "unix", made)
	if err != nil {
		return nil, err
	}
	ln.(*net.UnixListener).SetUnlinkOnClose(false) //nolint:forcetypeassert // what "unix" means
	if err = os.Chmod(made, socketMode); err == nil {
		err = os.Rename(made, path)
	}
	var info fs.FileInfo
	if err == nil {
		info, err = os.Stat(path)
	}
	if err != nil {
		return nil, errors.Join(err, ln.Close())
	}
	return &socket{Listener: ln, path: path, info: info}, nil
}

// socket takes its file away when it is closed.
type socket struct {
	net.Listener
	path string
	info fs.FileInfo
}

// Close closes the listener, and takes its file away unless another has taken its
// place.
func (s *socket) Close() error {
	if info, err := os.Stat(s.path); err == nil && os.SameFile(info, s.info) {
		_ = os.Remove(s.path) // whoever finds it, finds nobody behind it
	}
	return s.Listener.Close()
}

// vacant returns an error if the path is taken: by a file that is no socket, or by
// a socket that somebody answers on.
func vacant(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("%s is there and is no socket", path)
	}
	d := net.Dialer{Timeout: time.Second}
	c, err := d.DialContext(ctx, "unix", path)
	if err != nil {
		return nil //nolint:nilerr // nobody is there
	}
	_ = c.Close() // it has told what we wanted to know
	return fmt.Errorf("%s: another casbah answers there", path)
}

// trustedKey marks the context of connections that came through a socket, by the
// name of the user at the other end; empty where nobody can tell.
type trustedKey struct{}

// marked is http.Server.ConnContext: who could open the file of a socket is trusted.
func marked(ctx context.Context, c net.Conn) context.Context {
	if _, ok := c.(*net.UnixConn); ok {
		return context.WithValue(ctx, trustedKey{}, peerOf(c))
	}
	return ctx
}

// trusted reports whether the request came through a socket.
func trusted(r *http.Request) bool {
	_, yes := r.Context().Value(trustedKey{}).(string)
	return yes
}
