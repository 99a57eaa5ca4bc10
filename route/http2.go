package route

import "sync/atomic"

// HTTP2 are the figures of the clients of one VIP that speak HTTP/2.
type HTTP2 struct {
	Conns    atomic.Int64  // connections open now
	Accepted atomic.Uint64 // connections since start
	Requests atomic.Uint64 // finished requests
	Calmed   atomic.Uint64 // connections closed because their client took back request after request
}
