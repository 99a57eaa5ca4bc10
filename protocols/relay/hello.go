package relay

import (
	"sync"

	"casbah/internal/hello"
	"casbah/route"
)

// helloReader reads the hellos of TLS that is passed on without decrypting it. The
// client's comes in whatever pieces; until it is whole no server hears of the
// client. What is not a hello, or asks for a host that the VIP does not serve, is
// told so by an alert. Where a step knows clients by their sessions, the hello of
// the server is looked at as it passes, for the ID of the one that it gives.
type helloReader struct {
	assembly hello.Assembly // of the hello that is awaited
	split    *split         // what was seen of the server's, where it came in pieces
	session  [32]byte       // what SessionID of the request lies in
	alert    [7]byte
	host     [hostShown]byte
	hosted   uint8 // octets of host
}

// hostShown is how much of the name that the client asks for goes into the access
// record, in octets.
const hostShown = 64

var helloReaders = sync.Pool{New: func() any { return new(helloReader) }}

// ReadHello returns the reader of a connection of an ssl_bridge VIP.
func ReadHello() Reader { return helloReaders.Get().(*helloReader) } //nolint:forcetypeassert // the pool holds nothing else

// Release implements Reader.
func (r *helloReader) Release() {
	r.split.release()
	*r = helloReader{}
	helloReaders.Put(r)
}

// Host implements Reader.
func (r *helloReader) Host() []byte { return r.host[:r.hosted] }

// Client implements Reader.
func (r *helloReader) Client(v *route.VIP, rq *route.Request, p []byte) Verdict {
	var h hello.Client
	switch whole, alert := r.assembly.Client(p, &h); {
	case alert != hello.NoAlert:
		return r.refuse(route.CauseTLS, alert)
	case !whole:
		return Verdict{}
	}
	r.take(&h, rq)
	switch p := v.ByName(h.Name()); {
	case p != nil:
		return Verdict{Is: Known, Profile: p}
	case len(h.Name()) == 0 && h.Modern:
		return r.refuse(route.CauseHost, hello.MissingExtension)
	default:
		return r.refuse(route.CauseHost, hello.UnrecognizedName)
	}
}

// take takes in what the client's hello says. It is kept because the server may
// be chosen more than once.
func (r *helloReader) take(h *hello.Client, rq *route.Request) {
	n := copy(r.session[:], h.SessionID())
	rq.SessionID, rq.Secure = r.session[:n], true
	r.hosted = uint8(copy(r.host[:], h.Name()))
}

func (r *helloReader) refuse(cause route.Cause, alert hello.Alert) Verdict {
	r.alert = alert.Record()
	return Verdict{Is: Refused, Cause: cause, Words: r.alert[:]}
}

// Cut implements Reader.
func (r *helloReader) Cut() Verdict { return r.refuse(route.CauseTLS, hello.DecodeError) }

// Watches implements Reader.
func (r *helloReader) Watches(p *route.Profile) bool {
	r.assembly = hello.Assembly{}
	return p.Chain.KnowsSessions()
}

// Server implements Reader. It is for the client to judge what is wrong with the
// server's hello; then it gives no session.
func (r *helloReader) Server(now int64, d *route.Decision, p []byte) (enough bool) {
	seen, full := p, false
	if r.split != nil {
		seen, full = r.split.add(p)
	}
	var h hello.Server
	whole, alert := r.assembly.Server(seen, &h)
	switch {
	case whole && alert == hello.NoAlert:
		d.Session(now, h.SessionID())
	case !whole && alert == hello.NoAlert && !full:
		if r.split == nil {
			r.split = splits.Get().(*split) //nolint:forcetypeassert // the pool holds nothing else
			_, full = r.split.add(p)
		}
		if !full {
			return false
		}
	}
	r.split.release()
	r.split = nil
	return true
}

// splitOctets is how much of the server's hello is kept where it comes in pieces.
// Up to TLS 1.2 it has some 100 octets; one of TLS 1.3 gives no session.
const splitOctets = 1 << 10

// split is the beginning of what the server has said.
type split struct {
	b [splitOctets]byte
	n int
}

var splits = sync.Pool{New: func() any { return new(split) }}

// release gives s back to the pool; nil is nothing.
func (s *split) release() {
	if s != nil {
		s.n = 0
		splits.Put(s)
	}
}

// add appends b, and reports whether that was too much.
func (s *split) add(b []byte) (all []byte, full bool) {
	n := copy(s.b[s.n:], b)
	s.n += n
	return s.b[:s.n], n < len(b)
}
