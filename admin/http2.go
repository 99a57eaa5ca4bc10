package admin

import "casbah/node"

// HTTP2 are the clients of a VIP that speak HTTP/2, in Status.
type HTTP2 struct {
	Connections int64  `json:"connections"` // open now
	Accepted    uint64 `json:"accepted"`    // since start
	Requests    uint64 `json:"requests"`
	Calmed      uint64 `json:"calmed"` // connections closed because their client took back request after request
}

func http2Of(h *node.HTTP2Status) *HTTP2 {
	if h == nil {
		return nil
	}
	return &HTTP2{Connections: h.Connections, Accepted: h.Accepted, Requests: h.Requests, Calmed: h.Calmed}
}

// The metrics of HTTP/2.
var (
	metricHTTP2Conns    = gauge("http2_connections", "Client connections of HTTP/2 that are open.", "vip")
	metricHTTP2Accepted = counter("http2_connections_accepted_total", "Client connections of HTTP/2 since start.", "vip")
	metricHTTP2Requests = counter("http2_requests_total", "Requests that came by HTTP/2.", "vip")
	metricHTTP2Calmed   = counter("http2_connections_calmed_total", "Client connections closed because their client took back request after request.", "vip")
)

// http2 emits the metrics of a VIP that offers HTTP/2.
func (e emitter) http2(v *node.VIPStatus) {
	if h := v.HTTP2; h != nil {
		e.put(metricHTTP2Conns, float64(h.Connections), v.Name)
		e.put(metricHTTP2Accepted, float64(h.Accepted), v.Name)
		e.put(metricHTTP2Requests, float64(h.Requests), v.Name)
		e.put(metricHTTP2Calmed, float64(h.Calmed), v.Name)
	}
}
