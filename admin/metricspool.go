package admin

import (
	"slices"

	"casbah/node"
)

// The metrics of a pool, its servers, and their services: a profile on a server.
var (
	metricPanic          = gauge("pool_panic", "Whether panic_below is in effect: all services are used that are not in maintenance.", "pool", "profile")
	metricServerActive   = gauge("server_active", "Requests and relayed connections open now on the server, over all pools.", "pool", "server")
	metricServerBindings = gauge("server_bindings", "Clients' keys bound to the server, over all pools.", "pool", "server")
	metricState          = gauge("service_state", "1 for the state that the service is in, else 0.", "pool", "server", "profile", "state")
	metricActive         = gauge("service_active", "Requests and relayed connections open now.", "pool", "server", "profile")
	metricBegun          = counter("service_requests_total", "Requests and relayed connections given to the service.", "pool", "server", "profile")
	metricFailures       = counter("service_failures_total", "Refused connections, resets and garbage that requests met.", "pool", "server", "profile")
	metricLatency        = gauge("service_latency_seconds", "Moving average of the time to the first response octet.", "pool", "server", "profile")
	metricProbes         = counter("probes_total", "Answers to probes, right or wrong; no answer in time is a wrong one.", "pool", "server", "profile", "answer")
	metricProbeTime      = counter("probe_seconds_total", "Time that probes took, all together.", "pool", "server", "profile")
	metricProbeLast      = gauge("probe_last_seconds", "Time that the last probe took.", "pool", "server", "profile")
)

// serviceStates are the states that a service may be in.
var serviceStates = []string{"unknown", "up", "down", "drain", "maintenance"}

// pool emits the metrics of one pool.
func (e emitter) pool(p *node.PoolStatus) {
	profiles := make(map[string]bool)
	for i := range p.Servers {
		s := &p.Servers[i]
		e.put(metricServerActive, float64(s.Active), p.Name, s.Name)
		e.put(metricServerBindings, float64(s.Bindings), p.Name, s.Name)
		for j := range s.Services {
			profiles[s.Services[j].Profile] = true
			e.service(p.Name, s.Name, &s.Services[j])
		}
	}
	for name := range profiles {
		e.put(metricPanic, truth(slices.Contains(p.Panic, name)), p.Name, name)
	}
}

func (e emitter) service(pool, server string, s *node.ServiceStatus) {
	where := []string{pool, server, s.Profile}
	with := func(word string) []string { return append(where[:3:3], word) }
	for _, state := range serviceStates {
		e.put(metricState, truth(s.State == state), with(state)...)
	}
	e.put(metricActive, float64(s.Active), where...)
	e.put(metricBegun, float64(s.Requests), where...)
	e.put(metricFailures, float64(s.Failures), where...)
	e.put(metricLatency, s.Latency.Seconds(), where...)
	e.put(metricProbes, float64(s.Probes.Right), with("right")...)
	e.put(metricProbes, float64(s.Probes.Wrong), with("wrong")...)
	e.put(metricProbeTime, s.Probes.Took.Seconds(), where...)
	e.put(metricProbeLast, s.ProbeTime.Seconds(), where...)
}
