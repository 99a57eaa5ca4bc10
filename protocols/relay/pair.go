package relay

import (
	"net/netip"
	"sync"

	"casbah/balance"
	"casbah/engine"
	"casbah/route"
)

// stage is how far a connection is.
type stage uint8

const (
	reading  stage = iota // the reader has not found what it looks for
	queueing              // a place at the server is awaited
	dialling              // the server is
	securing              // it is to begin TLS
	joined                // octets flow both ways; from here on the connection is up
	watching              // likewise, and the reader looks at what the server says
	talking               // likewise, through a dialogue
)

// pair is the state of a client connection and its server's. It is pooled.
type pair struct {
	vip     *VIP
	profile *route.Profile
	d       route.Decision
	rq      route.Request
	reader  Reader // nil: there is none
	talk    *talk  // nil: octets move unread, or not yet

	attempts int
	in, out  int64 // octets from and to the client

	began   int64
	last    int64 // octets were seen to move last
	touched int64 // the binding was touched last

	share      uint32     // tells its leave from that of others; see balance.Share
	server     engine.Leg // engine.Client: none
	stage      stage
	begun      bool // the reader has been offered something
	clientDone bool // the client sends nothing more
	serverDone bool // nor does the server
}

var pairs = sync.Pool{New: func() any { return new(pair) }}

// records are those of connections that end; one that is open needs none.
var records = sync.Pool{New: func() any { return new(route.Record) }}

// newPair returns the state of c, which opens.
func newPair(c *Conn, now int64) *pair {
	p := pairs.Get().(*pair) //nolint:forcetypeassert // the pool holds nothing else
	p.vip = c.cur.Load()
	p.profile = p.vip.Profiles[0]
	p.rq = route.Request{Source: c.client.Addr().Unmap(), Dest: c.local.Unmap()}
	if c.session != [16]byte{} {
		p.rq.SessionID, p.rq.SessionSealed = c.session[:], true
	}
	p.began, p.share = now, balance.Share(c.client)
	p.stage = dialling
	if p.vip.Read != nil {
		p.reader, p.stage = p.vip.Read(), reading
	}
	return p
}

// passed counts octets that went from one side to the other.
func (p *pair) passed(from engine.Leg, n int64) {
	if from == engine.Client {
		p.in += n
		p.vip.Counters.In.Add(uint64(n))
	} else {
		p.out += n
		p.vip.Counters.Out.Add(uint64(n))
	}
}

// release gives p back to the pool. Its decision has been released.
func (p *pair) release() {
	if p.reader != nil {
		p.reader.Release()
	}
	p.talk.release()
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
		In:       p.in,
		Out:      p.out,
		Begin:    p.began,
		Finish:   now,
		End:      end,
		Attempts: p.attempts,
	}
	if p.reader != nil {
		r.Host = p.reader.Host()
	}
	if p.d.Profile != nil { // else it ended before a decision
		r.Server, r.Step, r.Why = p.d.Server(), p.d.Step(), p.d.Why()
		r.Waited = int64(p.d.Waited(now))
	}
	p.vip.CountRelayed(r)
	r.Host = nil
	records.Put(r)
}
