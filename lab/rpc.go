package lab

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"casbah/protocols/rpchttp"
)

// echoOctets is the longest body of an echo request ([MS-RPCH], Section
// 2.1.2.1.5).
const echoOctets = 16

// The methods of RPC over HTTP ([MS-RPCH], Section 2.1.2.1).
const (
	methodIn  = "RPC_IN_DATA"
	methodOut = "RPC_OUT_DATA"
)

// serveRPC answers RPC over HTTP v2, which Outlook Anywhere speaks. The RPC
// server behind it is an echo: what comes on the IN channel goes out on the OUT
// channel of the same virtual connection.
func (s *CAS) serveRPC(v *visit) {
	if s.array.options.AnonymousRPC {
		v.known("anonymous")
	} else if !v.authenticate(schemeNegotiate, schemeNTLM, schemeBasic) {
		return
	}
	switch v.r.Method {
	case methodIn, methodOut:
		s.serveChannel(v)
	case http.MethodGet, http.MethodHead:
		v.rephrase(http.StatusOK, "Success")
		v.answer(http.StatusOK, "application/rpc", "")
	default:
		v.answer(http.StatusMethodNotAllowed, typeHTML, "")
	}
}

func (s *CAS) serveChannel(v *visit) {
	v.rephrase(http.StatusOK, "Success")
	if v.r.ContentLength >= 0 && v.r.ContentLength <= echoOctets {
		v.answer(http.StatusOK, "application/rpc", string(echoPDU()))
		return
	}
	control := http.NewResponseController(v.w)
	if err := control.EnableFullDuplex(); err != nil {
		panic("BUG: " + err.Error()) // the writer is net/http's own
	}
	ch := &channel{visit: v, control: control}
	first, err := ReadPDU(v.r.Body)
	if err != nil && !errors.Is(err, errNoPDU) {
		panic(http.ErrAbortHandler) // the client left before it said which channel this is
	}
	begin := firstPDU(first)
	if cookie := begin.Virtual; begin.Kind != rpchttp.None {
		var foreign bool
		home := s.home(begin)
		if ch.circuit, foreign = home.circuits.attach(cookie, v.r.Method == methodOut, v.user); foreign {
			s.counters.leaks.Add(1)
		}
		defer func() { home.circuits.detach(cookie, v.r.Method == methodOut, ch.ended) }()
	}
	if v.r.Method == methodOut {
		ch.out(begin.Kind == rpchttp.NewOut)
		return
	}
	ch.in(len(first))
}

// home returns the CAS that has the virtual connection of a channel. A channel that
// replaces another may come by any CAS: its proxy finds the server that the URL names
// ([MS-RPCH], Sections 3.2.3.5.5.2 and 3.2.4.5.6.2). One that begins a connection
// stays here: it is counted if that is open elsewhere.
func (s *CAS) home(begin rpchttp.First) *CAS {
	for _, other := range s.array.cas {
		switch {
		case other == s || !other.circuits.has(begin.Virtual):
		case begin.Kind.Successor():
			return other
		default:
			s.counters.splits.Add(1)
			return s
		}
	}
	return s
}

// channel is one RPC channel. Without a circuit, because its body did not start
// with a PDU that names one, it still runs, so that it can be tried by hand.
type channel struct {
	*visit
	control *http.ResponseController
	circuit *circuit // or nil
	ended   bool     // it ran to its declared end
}

// in reads the request body and hands it on. The answer comes at the end.
func (ch *channel) in(octets int) {
	stop := ch.abandonWhenBroken()
	defer stop()
	total, err := ch.pump(int64(octets))
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	ch.ended = true
	ch.set("X-Lab-Octets", strconv.FormatInt(total, 10))
	ch.answer(http.StatusOK, "application/rpc", "")
}

// pump moves the body, PDU by PDU as long as there are PDUs, so that pings do
// not get into the middle of one.
func (ch *channel) pump(total int64) (int64, error) {
	if ch.circuit == nil {
		n, err := io.Copy(io.Discard, ch.r.Body)
		return total + n, err
	}
	for {
		p, err := ReadPDU(ch.r.Body)
		total += int64(len(p))
		switch {
		case len(p) == 0:
		case err == nil:
			ch.circuit.receive(ch.r.Context(), ch.cas, p)
		default:
			ch.circuit.relay(ch.r.Context(), p)
		}
		switch {
		case errors.Is(err, io.EOF):
			return total, nil
		case errors.Is(err, errNoPDU):
			return ch.pumpRaw(total)
		case err != nil:
			return total, err
		}
	}
}

// pumpRaw moves a body that holds no PDUs.
func (ch *channel) pumpRaw(total int64) (int64, error) {
	for {
		p := make([]byte, 32<<10)
		n, err := ch.r.Body.Read(p)
		total += int64(n)
		if n > 0 {
			ch.circuit.relay(ch.r.Context(), p[:n])
		}
		if errors.Is(err, io.EOF) {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}

// abandonWhenBroken ends the reading of the body when the client has lost its
// OUT channel, as Exchange drops one channel after the other.
func (ch *channel) abandonWhenBroken() (stop func()) {
	if ch.circuit == nil {
		return func() {}
	}
	over, finished := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(finished)
		select {
		case <-ch.circuit.broken:
			_ = ch.control.SetReadDeadline(time.Unix(1, 0)) // it fails on a closed connection only
		case <-over:
		}
	}()
	return func() { close(over); <-finished }
}

// out streams PDUs for the life of the session: CONN/A3 at once, CONN/C2 when
// the IN channel is there too, what the IN channel received, and pings. A channel
// that replaces another goes on where that ends.
func (ch *channel) out(replaces bool) {
	ch.set("Content-Type", "application/rpc")
	ch.set("Content-Length", strconv.Itoa(channelOctets))
	if replaces {
		if !ch.succeed() {
			return
		}
	} else if !ch.send(string(connA3())) {
		return
	}
	stop := ch.discardBody()
	defer stop()
	var joined, broken, replaced <-chan struct{}
	var flow <-chan []byte
	if c := ch.circuit; c != nil {
		joined, broken, flow, replaced = c.joined, c.broken, c.flow, c.turn()
	}
	if replaces {
		joined = nil // its client was told on the channel before
	}
	ticker := time.NewTicker(ch.cas.array.options.Interval)
	defer ticker.Stop()
	for alive := true; alive; {
		select {
		case <-joined:
			joined = nil
			alive = ch.send(string(connC2()))
		case p := <-flow:
			if joined != nil { // both channels are there, and select picked this first
				joined = nil
				p = append(connC2(), p...)
			}
			alive = ch.send(string(p))
		case <-ticker.C:
			alive = ch.send(string(pingPDU()))
		case <-broken:
			alive = false
		case <-replaced:
			ch.ended, alive = true, false
		case <-ch.r.Context().Done():
			alive = false
		}
	}
}

// succeed answers a channel that replaces another: with a ping, since what the
// proxies tell each other in between is not simulated. The channel before ends
// once the client has sent its second PDU, which says that this one stands.
func (ch *channel) succeed() bool {
	if !ch.send(string(pingPDU())) {
		return false
	}
	if _, err := ReadPDU(ch.r.Body); err != nil {
		return false
	}
	ch.circuit.replace()
	return true
}

// discardBody reads on in the background: a replaced channel sends a second PDU
// late, and net/http notices that a client left only when the body was read.
func (ch *channel) discardBody() (stop func()) {
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		_, _ = io.Copy(io.Discard, ch.r.Body) // its end is noticed by the context or by a write
	}()
	return func() {
		_ = ch.control.SetReadDeadline(time.Unix(1, 0)) // it fails on a closed connection only
		<-finished
	}
}
