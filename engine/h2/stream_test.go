package h2

import (
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"casbah/engine/bounds"
)

// slowClient takes so many octets in a second, and none behind its deadline.
type slowClient struct {
	perSecond int
	header    http.Header
	until     time.Time
	got       int
}

func (c *slowClient) Header() http.Header { return c.header }
func (c *slowClient) WriteHeader(int)     {}
func (c *slowClient) FlushError() error   { return nil }

func (c *slowClient) SetWriteDeadline(t time.Time) error {
	c.until = t
	return nil
}

func (c *slowClient) Write(p []byte) (int, error) {
	took := time.Duration(len(p)) * time.Second / time.Duration(c.perSecond)
	if left := time.Until(c.until); !c.until.IsZero() && left < took {
		time.Sleep(left)
		return 0, os.ErrDeadlineExceeded
	}
	time.Sleep(took)
	c.got += len(p)
	return len(p), nil
}

// The time that the driver gives to what it flushes is for each frame of it.
func TestFlushTimeIsForAFrame(t *testing.T) {
	const size = 4 * frameSize
	for _, tt := range []struct {
		perSecond int
		whole     bool
	}{{frameSize / 8, true}, {frameSize / 12, false}} {
		synctest.Test(t, func(t *testing.T) {
			c := &slowClient{perSecond: tt.perSecond, header: http.Header{}}
			r := asked("GET", "/owa/", "a", "", 0)
			r.Body = http.NoBody
			st := newStream(&session{server: new(Server)}, c, r)
			if err := st.SetWriteDeadline(time.Now().Add(bounds.FlushTime)); err != nil {
				t.Fatal(err)
			}
			_, err := st.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 65536\r\n\r\n" + strings.Repeat("x", size)))
			if tt.whole != (err == nil) || !tt.whole && !errors.Is(err, os.ErrDeadlineExceeded) || st.complete() != tt.whole {
				t.Errorf("%d octets a second: Write() = %v behind %d of %d octets", tt.perSecond, err, c.got, size)
			}
		})
	}
}
