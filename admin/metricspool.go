package admin

import (
	"slices"

	"casbah/health"
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
	metricProbeCauses    = counter("probe_wrong_total", "Wrong answers to probes by their cause.", "pool", "server", "profile", "cause")
	metricDeepProbes     = counter("deep_probes_total", "Answers to deep probes, right or wrong.", "pool", "server", "profile", "answer")
	metricDeepCauses     = counter("deep_probe_wrong_total", "Wrong answers to deep probes by their cause.", "pool", "server", "profile", "cause")
	metricDeepTime       = counter("deep_probe_seconds_total", "Time that deep probes took, all together.", "pool", "server", "profile")
	metricDeepLast       = gauge("deep_probe_last_seconds", "Time that the last deep probe took.", "pool", "server", "profile")
	metricAccountRefused = gauge("probe_account_refused", "Whether the account of the deep probe was refused so often that the probe does not count.", "pool", "server", "profile")
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
		e.places(p.Name, s.Name, &s.Places)
		for j := range s.Services {
			profiles[s.Services[j].Profile] = true
			e.service(p.Name, s.Name, &s.Services[j])
		}
	}
	e.placement(p)
	for name := range profiles {
		e.put(metricPanic, truth(slices.Contains(p.Panic, name)), p.Name, name)
		e.put(metricBackup, truth(slices.Contains(p.BackedUp, name)), p.Name, name)
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
	for _, c := range health.Causes {
		e.put(metricProbeCauses, float64(s.Probes.Causes[c]), with(c.String())...)
	}
	if s.Deep != nil {
		e.deep(s.Deep, where)
	}
}

func (e emitter) deep(d *node.DeepStatus, where []string) {
	with := func(word string) []string { return append(where[:3:3], word) }
	e.put(metricDeepProbes, float64(d.Probes.Right), with("right")...)
	e.put(metricDeepProbes, float64(d.Probes.Wrong), with("wrong")...)
	for _, c := range health.Causes {
		e.put(metricDeepCauses, float64(d.Probes.Causes[c]), with(c.String())...)
	}
	e.put(metricDeepTime, d.Probes.Took.Seconds(), where...)
	e.put(metricDeepLast, d.Took.Seconds(), where...)
	e.put(metricAccountRefused, truth(d.Rests), where...)
}
