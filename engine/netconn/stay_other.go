//go:build !linux

package netconn

// stayer is empty where readers do not stay.
type stayer struct{}

// hangups is of Linux.
type hangups struct{}

func (*hangups) close() {}

func (l *leg) stay(*hangups) bool { return false }

// close closes the socket.
func (s *socket) close() { _ = s.Conn.Close() }
