package enginetest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"casbah/balance"
	"casbah/engine"
)

// shortageVar is set in the process whose engine runs out of descriptors. It is
// this test again, alone: the clients keep theirs.
const shortageVar = "CASBAH_TEST_SHORTAGE"

// spare is how many descriptors the engine gets in a shortage.
const spare = 8

// shortage has more clients connect than there are descriptors: the others are
// refused and counted, or wait. Nothing that is open suffers, nothing spins,
// and service goes on when descriptors come back.
func shortage(t *trial) {
	if os.Getenv(shortageVar) != "" {
		short(t)
		return
	}
	p := newStarving(t)
	in := Dial(t, p.at)
	Send(t, in, "x")
	Expect(t, in, "x")
	p.tell("starve")
	crowd := p.crowd(10 * spare)
	Becomes(t, "shortages that were told, 1 for more", func() int { return min(p.number("refused"), 1) }, 1)
	Send(t, in, "y")
	Expect(t, in, "y")
	Send(t, in, "dial")
	got := make([]byte, 1)
	if _, err := io.ReadFull(in, got); err != nil || !strings.Contains("+!", string(got)) {
		t.Errorf("a dial was answered by %q, %v; want + or !", got, err)
	}
	p.tell("count")
	time.Sleep(300 * time.Millisecond)
	if permille := p.number("busy"); permille > 500 {
		t.Errorf("the process was busy for %d/1000 of the shortage; want it to wait", permille)
	}
	crowd.leave()
	nc := p.servedAtLast()
	p.tell("relieve")
	after := p.crowd(10 * spare)
	after.allServed()
	if got := p.number("refused"); crowd.refused() > got {
		t.Errorf("%d were refused, %d of them counted", crowd.refused(), got)
	}
	Send(t, in, "z")
	Expect(t, in, "z")
	after.leave()
	_, _ = nc.Close(), in.Close()
	p.end()
}

// starving is the process with the shortage.
type starving struct {
	*trial
	at     netip.AddrPort
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	output strings.Builder
}

// newStarving starts the process.
func newStarving(t *trial) *starving {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*Patience)
	t.Cleanup(cancel)
	parts := strings.Split(t.Name(), "/")
	for i, part := range parts {
		parts[i] = "^" + regexp.QuoteMeta(part) + "$"
	}
	p := &starving{trial: t}
	p.cmd = exec.CommandContext(ctx, os.Args[0], "-test.run="+strings.Join(parts, "/"), "-test.count=1") //nolint:gosec // itself
	p.cmd.Env = append(os.Environ(), shortageVar+"=1")
	p.cmd.Stderr = &p.output
	in, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.in, p.out = in, bufio.NewReader(out)
	p.at = netip.MustParseAddrPort(p.answer())
	return p
}

// answerMark begins the lines that are for the parent.
const answerMark = "shortage: "

// answer reads one answer; what else the process says is kept.
func (p *starving) answer() string {
	p.Helper()
	for {
		line, err := p.out.ReadString('\n')
		if answer, ok := strings.CutPrefix(line, answerMark); ok {
			return strings.TrimSpace(answer)
		}
		if p.output.WriteString(line); err != nil {
			_ = p.cmd.Wait()
			p.Fatalf("the process ended: %v\n%s", err, p.output.String())
		}
	}
}

// tell has the process do something, and waits for its answer.
func (p *starving) tell(command string) string {
	p.Helper()
	if _, err := io.WriteString(p.in, command+"\n"); err != nil {
		p.Fatalf("%s: %v\n%s", command, err, p.output.String())
	}
	return p.answer()
}

// number asks the process for a number.
func (p *starving) number(what string) int {
	p.Helper()
	n, err := strconv.Atoi(p.tell(what))
	if err != nil {
		p.Fatal(err)
	}
	return n
}

// end waits for the process, whose own test must be passed.
func (p *starving) end() {
	p.Helper()
	_ = p.in.Close()
	rest, _ := io.ReadAll(p.out)
	if err := p.cmd.Wait(); err != nil {
		p.Errorf("the process ended: %v\n%s%s", err, p.output.String(), rest)
	}
}

// servedAtLast connects until it is served.
func (p *starving) servedAtLast() net.Conn {
	p.Helper()
	for end := time.Now().Add(Patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		nc := Dial(p, p.at)
		_, _ = io.WriteString(nc, "x")
		if _, err := io.ReadFull(nc, make([]byte, 1)); err == nil {
			return nc
		}
		_ = nc.Close()
	}
	p.Fatalf("nobody was served for %v after others had gone", Patience)
	return nil
}

// crowd is many clients at once.
type crowd struct {
	tb      testing.TB
	conns   []net.Conn
	waiting sync.WaitGroup
	served  atomic.Int64
	ended   atomic.Int64 // without being served
	left    atomic.Bool
}

// crowd connects n clients, each of which wants one answer.
func (p *starving) crowd(n int) *crowd {
	p.Helper()
	c := &crowd{tb: p}
	for range n {
		nc := Dial(p, p.at)
		c.conns = append(c.conns, nc)
		_, _ = io.WriteString(nc, "x")
		c.waiting.Go(func() {
			if _, err := io.ReadFull(nc, make([]byte, 1)); err == nil {
				c.served.Add(1)
			} else if !c.left.Load() {
				c.ended.Add(1)
			}
		})
	}
	return c
}

// leave closes all.
func (c *crowd) leave() {
	c.left.Store(true)
	for _, nc := range c.conns {
		_ = nc.Close()
	}
	c.waiting.Wait()
}

// refused returns how many were closed and not served.
func (c *crowd) refused() int { return int(c.ended.Load()) }

// allServed waits until everybody was served.
func (c *crowd) allServed() {
	c.tb.Helper()
	Becomes(c.tb, "clients that were served or refused", func() int { return int(c.served.Load()) + c.refused() }, len(c.conns))
	if c.refused() > 0 {
		c.tb.Errorf("%d of %d were refused after the shortage", c.refused(), len(c.conns))
	}
}

// short is the test in the process with the shortage.
func short(t *trial) {
	var refused, others atomic.Int64
	up := &balance.Endpoint{ConnectTimeout: Patience}
	s := t.start(engine.Config{}, &engine.Listener{
		New: func(engine.Conn) engine.Core { return newEchoDialler(up) },
		OnRefuse: func(r engine.Reason) {
			if r == engine.Descriptors {
				refused.Add(1)
			} else {
				others.Add(1)
			}
		},
	})
	up.SetAddr(s.at)
	var meter busyMeter
	answer := func(v any) { _, _ = fmt.Fprintf(os.Stdout, "%s%v\n", answerMark, v) }
	answer(s.at)
	for commands := bufio.NewScanner(os.Stdin); commands.Scan(); {
		switch commands.Text() {
		case "starve":
			answer(limitDescriptors(t, spareDescriptors(t)))
		case "relieve":
			answer(limitDescriptors(t, 0))
		case "count":
			meter.start()
			answer("counting")
		case "busy":
			answer(meter.permille())
		case "refused":
			answer(refused.Load())
		}
	}
	Wait(t, s)
	if n := others.Load(); n > 0 {
		t.Errorf("%d were refused for another reason than %v", n, engine.Descriptors)
	}
}

// newEchoDialler returns a core that echoes, but dials to at "dial" and answers
// how that went.
func newEchoDialler(to *balance.Endpoint) *Toy {
	return &Toy{
		OnBytes: func(l engine.Leg, p []byte, d engine.Driver) int {
			switch {
			case l != engine.Client:
			case string(p) == "dial":
				d.Dial(to, false)
			default:
				d.Send(l, p)
			}
			return len(p)
		},
		OnDialed: func(l engine.Leg, _ bool, err error, d engine.Driver) {
			answer := "+"
			if err != nil {
				answer = "!"
			}
			d.Send(engine.Client, []byte(answer))
			d.Close(l, engine.Flush)
		},
	}
}

// spareDescriptors returns the limit that leaves the process that many.
func spareDescriptors(t *trial) uint64 {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	open := make(map[string]bool)
	for _, entry := range list {
		open[entry.Name()] = true
	}
	limit := 0
	for free := 0; free < spare; limit++ {
		if !open[strconv.Itoa(limit)] {
			free++
		}
	}
	return uint64(limit)
}

// limitDescriptors sets how many descriptors the process may have; 0: as many
// as the system allows it.
func limitDescriptors(t *trial, n uint64) uint64 {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if limit.Cur = n; n == 0 {
		limit.Cur = limit.Max
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	return limit.Cur
}

// busyMeter measures how much of the time the process computes.
type busyMeter struct {
	began time.Time
	used  time.Duration
}

// computed returns the CPU time that the process has taken.
func computed() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func (m *busyMeter) start() { m.began, m.used = time.Now(), computed() }

func (m *busyMeter) permille() int {
	return int(1000 * (computed() - m.used) / max(time.Since(m.began), 1))
}
