package e2e

import (
	"crypto/x509"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"casbah/lab"
)

// addedLimit is what casbah may add to the median of a call.
const addedLimit = 300 * time.Microsecond

// startTunnel starts casbah in a process of its own in front of cas.
func startTunnel(t *testing.T, m mode, cas *lab.CAS) *rig {
	t.Helper()
	d := newDaemon(t, m, cas.Addr(), daemonText{profile: "outlook_anywhere"})
	d.launch(nil)
	return &rig{t: t, mode: m, roots: d.roots, plain: d.vip, tls: d.vip}
}

// straight is the way to cas without casbah, in clear or in the server's own TLS.
func straight(t *testing.T, m mode, a *lab.Array) *rig {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(a.CertificatePEM())
	return &rig{t: t, mode: m, roots: roots, plain: a.CAS(0).Addr(), tls: a.CAS(0).TLSAddr()}
}

// What casbah adds to a call over a virtual connection: by a process of its own, on
// each driver, in clear and in TLS. Calls go straight to the server and through
// casbah in turn, so that what else the machine does meets both alike. Make
// bench-tunnel runs it.
func TestTunnelLatency(t *testing.T) {
	if os.Getenv("CASBAH_LATENCY") == "" {
		t.Skip("measures: make bench-tunnel")
	}
	const rounds = 7
	modesInTurn(t, func(t *testing.T, m mode) {
		a := newArray(t, lab.Options{Servers: 1, AnonymousRPC: true, TLS: true, Interval: 2 * time.Hour})
		ways := [2]*rig{straight(t, m, a), startTunnel(t, m, a.CAS(0))}
		var small, large pairs
		for range rounds {
			var c [2]*circuit
			for i, r := range ways {
				var err error
				if c[i], err = newCircuit(r, "1.1", ""); err != nil {
					t.Fatal(err)
				}
			}
			small.alternate(t, 600, c, func(o *circuit, n int) error { return o.call(fmt.Sprintf("%0200d", n)) }) // no two alike
			large.alternate(t, 30, c, func(o *circuit, _ int) error { return o.echo(200_000) })
			c[0].hangUp()
			c[1].hangUp()
		}
		t.Logf("call of 200 octets: %v", &small)
		t.Logf("200 KB both ways: %v", &large)
		if added := small.added(); added > addedLimit {
			t.Errorf("casbah adds %v to a call, by the median; at most %v is allowed", added, addedLimit)
		}
	})
}

// pairs are the times of what was done straight and through casbah in turn.
type pairs struct{ straight, through, more []time.Duration }

// alternate does it n times each way, in turn, and a few times before.
func (p *pairs) alternate(t *testing.T, n int, c [2]*circuit, do func(o *circuit, n int) error) {
	t.Helper()
	const warm = 10
	for i := range n + warm {
		var took [2]time.Duration
		for k := range c {
			way := (i + k) % 2 // who is first takes turns as well
			began := time.Now()
			if err := do(c[way], i); err != nil {
				t.Fatalf("way %d, time %d: %v", way, i, err)
			}
			took[way] = time.Since(began)
		}
		if i < warm {
			continue
		}
		p.straight = append(p.straight, took[0])
		p.through = append(p.through, took[1])
		p.more = append(p.more, took[1]-took[0])
	}
}

// added is the median of the differences within the pairs.
func (p *pairs) added() time.Duration { return quantile(p.more, 0.5) }

func (p *pairs) String() string {
	us := func(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
	return fmt.Sprintf("straight %.0f us (p99 %.0f), through casbah %.0f us (p99 %.0f), added %.0f us by the median of %d pairs",
		us(quantile(p.straight, 0.5)), us(quantile(p.straight, 0.99)), us(quantile(p.through, 0.5)), us(quantile(p.through, 0.99)),
		us(p.added()), len(p.more))
}

func quantile(list []time.Duration, q float64) time.Duration {
	sorted := slices.Sorted(slices.Values(list))
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}
