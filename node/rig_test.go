package node

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"casbah/profiles"
)

// journal is a log that one goroutine writes and another one reads.
type journal struct {
	mu  sync.Mutex // guards the field below
	buf bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buf.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buf.String()
}

// rig is a node that serves a configuration of the test's.
type rig struct {
	*Node
	t    testing.TB
	log  journal
	conf string // path of casbah.toml
	stop func() // stops the node; again does nothing
}

// poolText is two servers and a pool of them with more keys.
const poolText = `
[[server]]
name = "cas1"
address = %q
[[server]]
name = "cas2"
address = %q
[[pool]]
name = "cas"
servers = ["cas1", "cas2"]
%s
`

// vipText is a VIP on a free port.
const vipText = `
[[vip]]
name = %q
type = "http"
listen = ["127.0.0.1:0"]
profiles = ["owa"]
pool = "cas"
`

// unprobed says that services are up without a probe.
const unprobed = "[profile.owa.probe]\nkind = \"none\"\n"

// newRig starts a node that ends with the test. Files of the configuration stand
// in dir, as does all state.
func newRig(tb testing.TB, dir, text string) *rig {
	tb.Helper()
	r := &rig{t: tb, conf: filepath.Join(dir, "casbah.toml")}
	r.write(text)
	conf, _, err := profiles.Load(r.conf)
	if err != nil {
		tb.Fatal(err)
	}
	if r.Node, err = New(conf, Options{Log: zerolog.New(&r.log), Version: "test"}); err != nil {
		tb.Fatal(err)
	}
	if err := r.Start(context.Background()); err != nil {
		tb.Fatal(err)
	}
	r.stop = sync.OnceFunc(func() { r.Stop(0) })
	tb.Cleanup(r.stop)
	return r
}

func (r *rig) write(text string) {
	r.t.Helper()
	text = fmt.Sprintf("state_dir = %q\nadmin = { listen = \"127.0.0.1:0\" }\nlog = { access = \"off\" }\n", filepath.Dir(r.conf)) + text
	if err := os.WriteFile(r.conf, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// until waits for something that the node does by itself.
func (r *rig) until(what string, holds func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatalf("waited 30s in vain until %s\n%s", what, r.log.String())
		}
	}
}

// silentServer accepts and says nothing, until the test ends.
func silentServer(tb testing.TB) string {
	tb.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = ln.Close() })
	return ln.Addr().String()
}

// noServer is an address where nothing listens.
func noServer(tb testing.TB) string {
	tb.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}
