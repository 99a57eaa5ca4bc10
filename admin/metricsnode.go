package admin

import (
	"strconv"
	"time"

	"casbah/node"
)

// The metrics of the process and of its table of bindings.
var (
	metricBuild      = gauge("build_info", "1, with the version that runs.", "version")
	metricReady      = gauge("ready", "Whether casbah takes traffic.")
	metricLoaded     = gauge("config_loaded_timestamp_seconds", "When the configuration in force was read.")
	metricReload     = gauge("config_last_reload_successful", "Whether the last reload was taken, or there was none.")
	metricConns      = gauge("connections", "Client connections open now.")
	metricConnLimit  = gauge("connections_limit", "How many may be; 0: any number.")
	metricLeaving    = gauge("leaving_connections", "Connections still open of VIPs that a reload took away.", "vip")
	metricPanics     = counter("panics_total", "Connections that a fault of casbah's own ended.")
	metricLoopConns  = gauge("loop_connections", "Client connections open now on an event loop.", "loop")
	metricLoopLag    = gauge("loop_lag_seconds", "How long an event loop let wait what came to it when that was last measured.", "loop")
	metricBindings   = gauge("bindings", "Bindings in the table.")
	metricCapacity   = gauge("bindings_capacity", "How many the table holds.")
	metricUnproved   = gauge("bindings_unconfirmed", "Bindings whose key only a client has shown.")
	metricEvicted    = counter("bindings_evicted_total", "Live bindings that made room for others, because the table was full.")
	metricNoRoom     = counter("bindings_refused_total", "Bindings that found no room.")
	metricOldest     = gauge("bindings_oldest_seconds", "Time since the binding unused for longest was used.")
	metricMemory     = gauge("bindings_memory_bytes", "Memory of the table.")
	metricSaved      = gauge("bindings_saved_timestamp_seconds", "When the bindings were written to the state directory last; 0: not yet.")
	metricSaveFailed = gauge("bindings_save_failed", "Whether the last try to write them failed.")
	metricAdvice     = gauge("extended_protection_findings", "What was found about Extended Protection, by how grave it is.", "weight")
	metricShared     = gauge("shared_addresses", "Client addresses that many clients share.", "balanceable")
	metricDisplaced  = counter("shared_addresses_displaced_total", "Addresses that others which carry more clients left no room for.")
)

// process emits what concerns the whole process.
func (e emitter) process(st *node.Status) {
	e.put(metricBuild, 1, st.Version)
	e.put(metricReady, truth(st.Ready))
	e.put(metricLoaded, unixSeconds(st.Loaded))
	e.put(metricReload, truth(st.ReloadError == ""))
	e.put(metricConns, float64(st.Connections))
	e.put(metricConnLimit, float64(st.ConnectionLimit))
	e.put(metricPanics, float64(st.Panics))
	for _, l := range st.Leaving {
		e.put(metricLeaving, float64(l.Connections), l.VIP)
	}
	for i, open := range st.Engine.Loops {
		e.put(metricLoopConns, float64(open), strconv.Itoa(i))
	}
	for i, lag := range st.Engine.Lags {
		e.put(metricLoopLag, lag.Seconds(), strconv.Itoa(i))
	}
}

// table emits what concerns the bindings.
func (e emitter) table(st *node.Status) {
	t := &st.Table
	e.put(metricBindings, float64(t.Bindings))
	e.put(metricPlaces, float64(t.Placements))
	e.put(metricCapacity, float64(t.Capacity))
	e.put(metricUnproved, float64(t.Unconfirmed))
	e.put(metricEvicted, float64(t.Evictions))
	e.put(metricNoRoom, float64(t.Refusals))
	e.put(metricOldest, t.Oldest.Seconds())
	e.put(metricMemory, float64(t.Bytes))
	e.put(metricSaved, unixSeconds(t.File.Saved))
	e.put(metricSaveFailed, truth(t.File.SaveError != ""))
	shared := sharedOf(st.Shared)
	e.put(metricShared, float64(shared.NotBalanceable), strconv.FormatBool(false))
	e.put(metricShared, float64(shared.All-shared.NotBalanceable), strconv.FormatBool(true))
	e.put(metricDisplaced, float64(st.SharedDisplaced))
}

// protection emits how many findings there are of each weight.
func (e emitter) protection(p *node.Protection) {
	found := map[string]uint64{"error": 0, "warning": 0, "notice": 0}
	for i := range p.Advice {
		found[p.Advice[i].Weight.String()]++
	}
	e.each(metricAdvice, found)
}

// unixSeconds is how a metric says a time; 0: it never happened.
func unixSeconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1e3
}
