package bridge

import (
	"net/netip"
	"sync"

	"casbah/engine"
	"casbah/internal/hello"
	"casbah/route"
)

// stage is how far a connection is.
type stage uint8

const (
	reading  stage = iota // the client's hello is awaited
	dialling              // the server is
	joined                // octets flow both ways; from here on the connection is up
	watching              // likewise, and the server's hello is awaited as it passes
)

// pair is the state of a client connection and its server's. It is pooled.
type pair struct {
	vip     *route.VIP
	profile *route.Profile
	d       route.Decision
	rq      route.Request

	assembly hello.Assembly // of the hello that is awaited
	split    *split         // what was seen of the server's, where it came in pieces
	session  [32]byte       // what rq.SessionID lies in
	host     [hostShown]byte
	hosted   uint8 // octets of host

	server   engine.Leg // engine.Client: none
	attempts int
	in, out  int64 // octets from and to the client

	began   int64
	last    int64 // octets were seen to move last
	touched int64 // the binding was touched last

	stage      stage
	begun      bool // the client has begun its hello
	clientDone bool // the client sends nothing more
	serverDone bool // nor does the server
}

// hostShown is how much of the name that the client asks for goes into the access
// record, in octets.
const hostShown = 64

var pairs = sync.Pool{New: func() any { return new(pair) }}

// records are those of connections that end; one that is open needs none.
var records = sync.Pool{New: func() any { return new(route.Record) }}

// newPair returns the state of c, which opens.
func newPair(c *Conn, now int64) *pair {
	p := pairs.Get().(*pair) //nolint:forcetypeassert // the pool holds nothing else
	p.vip = c.cur.Load()
	p.profile = p.vip.Profiles[0]
	p.rq = route.Request{Source: c.client.Addr().Unmap(), Dest: c.local.Unmap(), Secure: true}
	p.began = now
	return p
}

// take takes in what the client's hello says. It is kept because the server may
// be chosen more than once.
func (p *pair) take(h *hello.Client) {
	n := copy(p.session[:], h.SessionID())
	p.rq.SessionID = p.session[:n]
	p.hosted = uint8(copy(p.host[:], h.Name()))
}

// release gives p back to the pool. Its decision has been released.
func (p *pair) release() {
	p.split.release()
	*p = pair{}
	pairs.Put(p)
}

// record counts the connection and hands its access record to the log.
func (p *pair) record(now int64, end route.End, client netip.AddrPort) {
	r := records.Get().(*route.Record) //nolint:forcetypeassert // the pool holds nothing else
	*r = route.Record{
		VIP:      p.vip.Name,
		Profile:  p.profile.Name,
		Client:   client,
		Source:   p.rq.Source,
		Relayed:  true,
		Host:     p.host[:p.hosted],
		In:       p.in,
		Out:      p.out,
		Begin:    p.began,
		Finish:   now,
		End:      end,
		Attempts: p.attempts,
	}
	if p.d.Profile != nil { // else it ended before a decision
		r.Server, r.Step, r.Why = p.d.Server(), p.d.Step(), p.d.Why()
	}
	p.vip.CountRelayed(r)
	r.Host = nil
	records.Put(r)
}
