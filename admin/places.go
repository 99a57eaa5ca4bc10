package admin

import "casbah/node"

// Places is how many requests and connections a server takes at once, and how
// those fare that come while it is full, in Status.
type Places struct {
	Limit    int     `json:"max_connections"`
	Room     int     `json:"queue"`
	Timeout  float64 `json:"queue_timeout_seconds"`
	Waiting  int     `json:"waiting"`        // now
	Served   uint64  `json:"waited"`         // that waited and got a place
	Waited   float64 `json:"waited_seconds"` // how long these did, all together
	Full     uint64  `json:"queue_full"`     // that found no room to wait
	TimedOut uint64  `json:"queue_timeout"`  // that found no place in time
}

// placesOf returns nil for a server without a limit for which nobody ever waited.
func placesOf(p *node.PlacesStatus) *Places {
	if p.Limit == 0 && p.Waiting == 0 && p.Served+p.Full+p.Late == 0 {
		return nil
	}
	return &Places{
		Limit: p.Limit, Room: p.Room, Timeout: p.Timeout.Seconds(),
		Waiting: p.Waiting, Served: p.Served, Waited: p.Waited.Seconds(), Full: p.Full, TimedOut: p.Late,
	}
}

var (
	metricLimit   = gauge("server_max_connections", "How many requests and relayed connections the server takes at once; not emitted without a limit.", "pool", "server")
	metricWaiting = gauge("server_queue", "Requests and connections that wait for a place at the server now, over all pools.", "pool", "server")
	metricServed  = counter("server_queue_waits_total", "Requests and connections that waited for a place at the server and got one, over all pools.", "pool", "server")
	metricWaited  = counter("server_queue_wait_seconds_total", "How long these waited, all together.", "pool", "server")
	metricDenied  = counter("server_queue_refused_total", "Requests and connections that got no place at the server, by cause, over all pools.", "pool", "server", "cause")
	metricBackup  = gauge("pool_backup", "Whether backups take new clients, since no ordinary server does.", "pool", "profile")
)

// places emits what concerns the limit of a server.
func (e emitter) places(pool, server string, p *node.PlacesStatus) {
	if placesOf(p) == nil {
		return
	}
	if p.Limit > 0 {
		e.put(metricLimit, float64(p.Limit), pool, server)
	}
	e.put(metricWaiting, float64(p.Waiting), pool, server)
	e.put(metricServed, float64(p.Served), pool, server)
	e.put(metricWaited, p.Waited.Seconds(), pool, server)
	e.put(metricDenied, float64(p.Full), pool, server, "queue_full")
	e.put(metricDenied, float64(p.Late), pool, server, "queue_timeout")
}
