//go:build linux

package reactor

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"casbah/engine"
	"casbah/engine/enginetest"
)

// tooLarge is a size that every system refuses for a pipe.
const tooLarge = 1 << 31

// withPipeSizes asks for other sizes until the end of t. No loop may run.
func withPipeSizes(t *testing.T, sizes [len(pipeSizes)]int) {
	t.Helper()
	before := pipeSizes
	pipeSizes = sizes
	t.Cleanup(func() { pipeSizes = before })
}

// refuseAll is a system without pipes that are worth it.
var refuseAll = [len(pipeSizes)]int{tooLarge, tooLarge, tooLarge}

// A loop has pipesMost pipes at once; one that was put back is lent again.
func TestPipesHaveALimit(t *testing.T) {
	before := descriptors(t)
	withPipeSizes(t, [...]int{64 << 10, 64 << 10, 64 << 10})
	var s pipes
	lent := make([]*pipe, pipesMost)
	for i := range lent {
		if lent[i] = s.get(); lent[i] == nil {
			t.Fatalf("%d pipes were to be had; want %d", i, pipesMost)
		}
	}
	for range 3 {
		if s.get() != nil {
			t.Fatalf("there were more than %d pipes", pipesMost)
		}
	}
	s.put(lent[0])
	if s.get() != lent[0] {
		t.Error("a pipe that was put back is not lent again")
	}
	s.discard(lent[0])
	if p := s.get(); p == nil {
		t.Error("no pipe takes the place of one that was discarded")
	} else {
		lent[0] = p
	}
	for _, p := range lent {
		s.put(p)
	}
	s.close()
	if got := descriptors(t); got != before || s.open != 0 {
		t.Errorf("%d descriptors, %d pipes are open behind close; want %d, 0", got, s.open, before)
	}
}

// After a refusal pipesSkip requests do without being tried, then one is. No
// descriptor stays behind.
func TestPipesAreNotAskedForInVain(t *testing.T) {
	before := descriptors(t)
	good := pipeSizes
	withPipeSizes(t, refuseAll)
	var s pipes
	if s.get() != nil {
		t.Fatal("a pipe of 2 GiB was to be had")
	}
	pipeSizes = good
	for i := range pipesSkip {
		if s.get() != nil {
			t.Fatalf("request %d after the refusal was tried; want %d that are not", i+1, pipesSkip)
		}
	}
	p := s.get()
	if p == nil {
		t.Fatal("no pipe was to be had once the system had some again")
	}
	s.put(p)
	s.close()
	if got := descriptors(t); got != before {
		t.Errorf("%d descriptors are open; want %d", got, before)
	}
}

// A size that the system refuses gives way to the next: one above what an
// ordinary process may ask for is EPERM.
func TestPipeSizesGiveWay(t *testing.T) {
	text, err := os.ReadFile("/proc/sys/fs/pipe-max-size")
	if err != nil {
		t.Skip(err)
	}
	most, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	before := descriptors(t) // behind the first file, for which the runtime opens two of its own
	withPipeSizes(t, [...]int{2 * most, 64 << 10, 64 << 10})
	sizes := make(chan int, 2)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends, without its privileges
		defer close(sizes)
		hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var none [2]unix.CapUserData
		if unix.Capset(&hdr, &none[0]) != nil {
			return
		}
		for _, sizesAsked := range [][len(pipeSizes)]int{pipeSizes, {2 * most, 3 * most, 4 * most}} {
			pipeSizes = sizesAsked
			p := newPipe()
			if p == nil {
				sizes <- 0
				continue
			}
			sizes <- p.size
			closeFD(p.r)
			closeFD(p.w)
		}
	}()
	for _, want := range []int{64 << 10, 0} {
		if got, ok := <-sizes; ok && got != want {
			t.Errorf("the pipe holds %d octets; want %d", got, want)
		}
	}
	if got := descriptors(t); got != before {
		t.Errorf("%d descriptors are open; want %d", got, before)
	}
}

// A Move without pipes copies: the same octets come.
func TestMoveWithoutPipes(t *testing.T) {
	for _, sizes := range [][len(pipeSizes)]int{refuseAll, {tooLarge, tooLarge, 64 << 10}} {
		refused := sizes == refuseAll
		t.Run(map[bool]string{true: "none", false: "small"}[refused], func(t *testing.T) {
			withPipeSizes(t, sizes)
			body := make([]byte, 3<<20)
			_, _ = rand.NewChaCha8([32]byte{7}).Read(body)
			up := enginetest.Upstream(t, false, enginetest.EchoServer)
			r := newRig(t, &engine.Listener{New: enginetest.Relay(up, true)})
			nc := enginetest.Dial(t, r.at)
			go func() {
				_, _ = nc.Write(body)
				_ = nc.CloseWrite()
			}()
			if got, err := io.ReadAll(nc); err != nil || !bytes.Equal(got, body) {
				t.Errorf("%d octets came, %v; want the %d that were sent", len(got), err, len(body))
			}
			_ = nc.Close()
			enginetest.Wait(t, r)
			r.on(func(lp *loop) {
				if made := lp.pipes.open > 0; made == refused {
					t.Errorf("%d pipes were made", lp.pipes.open)
				}
			})
		})
	}
}

// A head that is written ahead of a body which does not come is not kept for it:
// nothing of it stays in the socket.
func TestHeadIsNotKeptForItsBody(t *testing.T) {
	const head, length = 200, 1 << 20
	goOn := make(chan struct{})
	first := bytes.Repeat([]byte("h"), headRead) // one whole read: there may be more
	up := enginetest.Upstream(t, false, func(nc net.Conn) {
		_, _ = io.ReadFull(nc, make([]byte, 1))
		_, _ = nc.Write(first)
		<-goOn
		_, _ = nc.Write(bytes.Repeat([]byte("b"), head+length-headRead))
		enginetest.Discard(nc)
	})
	moves := make(chan struct{})
	core := &enginetest.Toy{
		OnBytes: func(l engine.Leg, p []byte, d engine.Driver) int {
			if l == engine.Client {
				d.Send(d.Dial(up, false), p)
				return len(p)
			}
			if len(p) < headRead {
				return 0
			}
			d.Send(engine.Client, p[:head])
			d.Move(l, engine.Client, length)
			close(moves)
			return head
		},
	}
	r := newRig(t, &engine.Listener{New: enginetest.Fixed(core)})
	nc := enginetest.Dial(t, r.at)
	enginetest.Send(t, nc, "x")
	enginetest.Receive(t, moves, "head")
	r.on(func(lp *loop) {
		l := lp.conns[0].legs[engine.Client]
		unsent, err := unix.IoctlGetInt(int(l.fd), unix.SIOCOUTQNSD)
		if err != nil || unsent != 0 || l.queued() != 0 {
			t.Errorf("%d octets wait in the socket, %d before it, %v; want none", unsent, l.queued(), err)
		}
	})
	enginetest.Expect(t, nc, string(first))
	close(goOn)
	enginetest.Expect(t, nc, strings.Repeat("b", head+length-headRead))
}
