package admin

import "casbah/node"

// Identity is how connections to servers fare that carry who their client is, in
// Status.
type Identity struct {
	Relogins uint64 `json:"relogins"` // credentials of another user on a connection that had carried one
	Faults   uint64 `json:"faults"`   // requests that were about to leave on somebody else's connection, and did not
}

// The metrics of identities.
var (
	metricRelogins = counter("identity_relogins_total", "Credentials of another user on a connection that had carried one.", "vip")
	metricForeign  = counter("identity_faults_total", "Requests that were about to leave on somebody else's connection, by a fault of casbah's own, and did not.", "vip")
)

// identities emits them of one VIP.
func (e emitter) identities(v *node.VIPStatus) {
	e.put(metricRelogins, float64(v.Identities.Relogins), v.Name)
	e.put(metricForeign, float64(v.Identities.Faults), v.Name)
}

// foreignIn returns how many such faults there were on all VIPs.
func foreignIn(all []node.VIPStatus) (n uint64) {
	for i := range all {
		n += all[i].Identities.Faults
	}
	return n
}
