package admin

import (
	"strconv"
	"time"

	"casbah/node"
)

// The metrics of a VIP. Those that run since start outlive reloads.
var (
	metricVIPUp       = gauge("vip_up", "Whether any profile of the VIP has a server up.", "vip")
	metricVIPConns    = gauge("vip_connections", "Client connections open now; of a udp VIP, flows.", "vip")
	metricAccepted    = counter("vip_connections_accepted_total", "Client connections, or flows, that were let in.", "vip")
	metricRequests    = counter("requests_total", "Requests that have ended, by the hundreds of their status; none: without a response.", "vip", "profile", "pool", "status")
	metricWaits       = gauge("response_seconds", "Time from the first octet of a request to the first of its response. Requests that wait for mail are among them.", "vip", "profile", "pool")
	metricRebinds     = counter("rebinds_total", "Clients that were given another server than the one they were bound to, by what became of that.", "vip", "profile", "pool", "reason")
	metricReceived    = counter("received_bytes_total", "Octets from clients.", "vip")
	metricSent        = counter("sent_bytes_total", "Octets to clients.", "vip")
	metricRefused     = counter("refused_total", "Connections, requests and datagrams that casbah refused, by cause.", "vip", "cause")
	metricEnds        = counter("ends_total", "Requests and relayed connections by how they ended.", "vip", "end")
	metricPins        = counter("pins_total", "Connections to servers that were tied to an identity.", "vip")
	metricUnlogged    = counter("access_records_dropped_total", "Access records that the log was too slow to take.", "vip")
	metricInjections  = counter("starttls_injections_total", "Clients behind whose command for TLS octets came in clear, which were discarded.", "vip")
	metricDropped     = counter("datagrams_dropped_total", "Datagrams of flows that could not be passed on.", "vip")
	metricVIPEvicted  = counter("vip_bindings_evicted_total", "Live bindings that made room for the VIP's, where the table was full.", "vip")
	metricVIPRefused  = counter("vip_bindings_refused_total", "Bindings of the VIP that found no room.", "vip")
	metricClashes     = counter("cookie_clashes_total", "Cookies of the name of one of casbah's own that somebody else made.", "vip", "by")
	metricCookieless  = counter("cookieless_connections_total", "Client connections that do not bring the cookie they were given.", "vip")
	metricCircuits    = counter("rpc_connections_total", "Virtual connections of RPC over HTTP.", "vip")
	metricChannels    = counter("rpc_channels_total", "Channels of RPC over HTTP, by whether the first PDU told the connection.", "vip", "read")
	metricSplits      = counter("rpc_splits_total", "Virtual connections with channels on different servers, by what led there.", "vip", "cause")
	metricMapped      = counter("mapper_answers_total", "Answers of endpoint mappers, of a VIP that rewrites.", "vip")
	metricGiven       = counter("mapper_answers_given_total", "Of those, the ones that were given a port of casbah's.", "vip")
	metricLeft        = counter("mapper_answers_left_total", "Of those, the ones that passed as they came, by cause.", "vip", "cause")
	metricSuspects    = counter("shield_requests_total", "Requests that look like attacks on Exchange, by the rule that they meet.", "vip", "rule")
	metricHandshakes  = counter("handshakes_total", "Handshakes of TLS with clients that came to an agreement.", "vip", "version", "resumed")
	metricCertificate = gauge("certificate_expiry_timestamp_seconds", "When a certificate that the VIP shows ends.", "vip", "file")
	metricStaple      = gauge("certificate_staple_expiry_timestamp_seconds", "When the OCSP staple of a certificate ends; 0: it has none.", "vip", "file")
	metricIssue       = gauge("certificate_acme_failures", "Attempts in a row that have brought no certificate by ACME.", "vip", "file")
)

// vip emits the metrics of one VIP.
func (e emitter) vip(v *node.VIPStatus) {
	e.put(metricVIPUp, truth(v.Up), v.Name)
	e.put(metricVIPConns, float64(v.Conns), v.Name)
	e.put(metricAccepted, float64(v.Accepted), v.Name)
	e.put(metricReceived, float64(v.In), v.Name)
	e.put(metricSent, float64(v.Out), v.Name)
	e.each(metricRefused, v.Refused, v.Name)
	e.each(metricEnds, v.Ends, v.Name)
	e.put(metricPins, float64(v.Pins), v.Name)
	e.identities(v)
	e.put(metricUnlogged, float64(v.Unlogged), v.Name)
	e.put(metricInjections, float64(v.Injections), v.Name)
	e.put(metricDropped, float64(v.Dropped), v.Name)
	e.put(metricVIPEvicted, float64(v.Evictions), v.Name)
	e.put(metricVIPRefused, float64(v.Refusals), v.Name)
	e.put(metricClashes, float64(v.ClashesSet), v.Name, "server")
	e.put(metricClashes, float64(v.ClashesBrought), v.Name, "client")
	e.put(metricCookieless, float64(v.Cookieless), v.Name)
	e.http2(v)
	if s := v.Shield; s != nil {
		e.each(metricSuspects, s.Hits, v.Name)
	}
	if r := v.RPC; r != nil {
		e.put(metricCircuits, float64(r.Connections), v.Name)
		e.put(metricChannels, float64(r.Channels), v.Name, strconv.FormatBool(true))
		e.put(metricChannels, float64(r.Unread), v.Name, strconv.FormatBool(false))
		e.each(metricSplits, r.Splits, v.Name)
	}
	if m := v.Mapper; m != nil && m.Mode == "rewrite" {
		e.put(metricMapped, float64(m.Answers), v.Name)
		e.put(metricGiven, float64(m.Given), v.Name)
		e.each(metricLeft, m.Left, v.Name)
	}
	for i := range v.Traffic {
		e.traffic(v, &v.Traffic[i])
	}
	if len(v.Certificates) > 0 {
		e.secure(v)
	}
}

// traffic emits the requests of one profile. A VIP that relays has none.
func (e emitter) traffic(v *node.VIPStatus, t *node.TrafficStatus) {
	if t.Profile != "" {
		e.each(metricRebinds, t.Rebinds, v.Name, t.Profile, t.Pool)
	}
	if v.Type == "http" || v.Type == "https" {
		e.each(metricRequests, t.Status, v.Name, t.Profile, t.Pool)
		e.waits(v.Name, t)
	}
}

// secure emits what concerns the TLS of a VIP that ends it.
func (e emitter) secure(v *node.VIPStatus) {
	for i := range v.Handshakes {
		s := &v.Handshakes[i]
		e.put(metricHandshakes, float64(s.Full), v.Name, s.Version, strconv.FormatBool(false))
		e.put(metricHandshakes, float64(s.Resumed), v.Name, s.Version, strconv.FormatBool(true))
	}
	seen := make(map[string]bool) // a file that stands there twice is one
	for i := range v.Certificates {
		c := &v.Certificates[i]
		if seen[c.File] {
			continue
		}
		seen[c.File] = true
		if !c.NotAfter.IsZero() {
			e.put(metricCertificate, float64(c.NotAfter.Unix()), v.Name, c.File)
		}
		if c.Staple != nil {
			e.put(metricStaple, seconds(c.Staple.Until), v.Name, c.File)
		}
		if c.ACME != nil {
			e.put(metricIssue, float64(c.ACME.Failures), v.Name, c.File)
		}
	}
}

// seconds is a time as metrics have it; 0: there is none.
func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.Unix())
}
