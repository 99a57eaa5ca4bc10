package admin

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"casbah/health"
	"casbah/node"
)

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

// fake is a Source whose answers a test sets.
type fake struct {
	status   func() node.Status
	notReady bool
	refuse   error // what Reload and Order answer
	command  node.Command
	timeout  node.Timeout
	reloads  atomic.Int32
	rows     []node.Binding     // what is bound
	endless  bool               // rows come again and again
	filter   node.BindingFilter // the last that came
	lookup   node.BindingLookup // likewise
	question node.Question
	decided  node.DecisionFilter
	probed   node.ProbeFilter
}

var errMistake = errors.New("casbah.toml:3:1: unknown key")

func (f *fake) Status() node.Status { return f.status() }

func (f *fake) Ready() bool { return !f.notReady }

func (f *fake) VIPUp(name string) (up, known bool) {
	return name == "mail", name == "mail" || name == "dead"
}

func (f *fake) Reload(context.Context) error {
	f.reloads.Add(1)
	return f.refuse
}

func (f *fake) Order(c node.Command) ([]node.OrderedService, error) {
	f.command = c
	if f.refuse != nil {
		return nil, f.refuse
	}
	return []node.OrderedService{{
		Pool: "cas", Server: c.Server, Profile: "owa", Before: "up", State: "drain", Bound: 7, Open: 2,
		Order: &node.Order{State: "drain", Firm: c.Firm, Since: noon, Until: c.Until, Wait: c.Wait, Who: c.Who, Why: c.Why},
	}}, nil
}

func (f *fake) SetTimeout(_ context.Context, t node.Timeout) error {
	f.timeout = t
	return f.refuse
}

func (f *fake) LogLevels() map[string]string { return map[string]string{"health": "info"} }

func (f *fake) SetLogLevel(string, string) error { return f.refuse }

// newFake has one VIP and one server, on which owa is down.
func newFake() *fake {
	st := node.Status{
		Version: "1.0.0", Started: noon.Add(-time.Hour), Now: noon, Loaded: noon.Add(-time.Minute), Ready: true,
		ConfigPath: "casbah.toml", Connections: 3, ConnectionLimit: 100, Panics: 1,
		Leaving: []node.Leaving{{VIP: "old", Connections: 2}},
		Engine:  node.EngineStatus{Driver: "reactor", Loops: []int{1, 2}, Lags: []time.Duration{0, 250 * time.Millisecond}, Goroutines: 12},
		VIPs: []node.VIPStatus{{
			Name: "mail", Type: "https", Pool: "cas", Listen: []string{"192.0.2.10:443"}, Profiles: []string{"owa", "eas"}, Up: true,
			Routes: []node.RouteStatus{{Hosts: []string{"app.example.org", "*.app.example.org"}, Pool: "app", Profile: "ews", Up: true}},
			Persistence: []node.PersistenceStatus{
				{
					Profile: "owa", Chain: []string{"source_ip", "insert_cookie"}, Timeout: 8 * time.Hour,
					Inserted:   &node.InsertedStatus{Name: "CASBAH_ABCD", Version: 1, Timeout: 2 * time.Minute, Format: "netscaler", Path: "/", Secure: true},
					Companions: []string{"CASBAH_EFGH"},
				},
				{Profile: "eas"},
			},
			Certificates: []node.CertificateStatus{{
				Pair: node.Pair{
					File: "mail.pem", Names: []string{"mail.example.org"}, NotBefore: noon.Add(-time.Hour), NotAfter: noon.Add(time.Hour),
					Level: 3, Key: "RSA 2048", Fingerprint: "00ff", Issuer: "CN=CA", Refused: "is empty",
					Staple: &node.StapleStatus{Responder: "http://ocsp.example.org", Required: true, Until: noon.Add(2 * time.Hour), Next: noon.Add(time.Minute), Error: "no answer"},
				},
				ACME: &node.ACMEStatus{Directory: "https://acme.example.org/", Challenge: "http-01", Next: noon.Add(time.Hour), Failures: 3, Error: "403 unauthorized"},
			}},
			Handshakes: []node.HandshakeStatus{{Version: "TLS 1.3", Full: 5, Resumed: 6}},
			Traffic:    []node.TrafficStatus{{Profile: "owa", Pool: "cas", Requests: 40, Status: map[string]uint64{"2xx": 39, "none": 1}, Waits: append([]uint64{39}, make([]uint64, len(node.WaitBounds()))...), Rebinds: map[string]uint64{"down": 4}}},
			Conns:      3, Accepted: 9, Requests: 40, Status: map[string]uint64{"2xx": 39, "3xx": 0, "none": 1}, In: 1000, Out: 2000,
			Refused: map[string]uint64{"path": 2, "tls": 0}, Ends: map[string]uint64{"done": 40}, Pins: 1, Identities: node.IdentityStatus{Relogins: 12, Faults: 13}, Unlogged: 5, Dropped: 9, Injections: 10, Evictions: 2, Refusals: 3, ClashesSet: 6, ClashesBrought: 7, Cookieless: 8,
			Mapper: &node.MapperStatus{
				Mode: "rewrite", Gives: []node.GivenStatus{{Listen: "192.0.2.10:135", Interface: "nspi", VIP: "book", Port: 40002}},
				Answers: 7, Given: 5, Left: map[string]uint64{"protected": 2},
			},
			HTTP2:  &node.HTTP2Status{Connections: 1, Accepted: 2, Requests: 3},
			Shield: &node.ShieldStatus{Refuses: true, Rules: "2026-11", Hits: map[string]uint64{"traversal": 4}},
			RPC:    &node.RPCStatus{Connections: 20, Channels: 41, Unread: 2, Late: 1, Splits: map[string]uint64{"addresses": 3}},
		}},
		Pools: []node.PoolStatus{{
			Name: "cas", Algorithm: "least_conn", UpstreamTLS: "off", PanicBelow: 50, Placement: &node.PlacementStatus{Mode: "prefer", Told: 100, Crossed: 20, Unknown: 3, Preferred: 9}, Panic: []string{"owa"}, BackedUp: []string{"eas"},
			Servers: []node.ServerStatus{{
				Name: "cas1", Address: "192.0.2.11:80", Weight: 100, Active: 2, Requests: 40, Bindings: 7, Backup: true,
				Places:  node.PlacesStatus{Limit: 50, Room: 100, Timeout: 5 * time.Second, Waiting: 3, Served: 8, Waited: 12 * time.Second, Full: 2, Late: 1},
				Learned: []node.LearnedStatus{{Profile: "rpc_address_book", Interface: "nspi", Port: 49200, Since: noon.Add(-time.Minute), Error: "no answer"}},
				Services: []node.ServiceStatus{
					{
						Profile: "owa", State: "down", Since: noon.Add(-time.Minute), LastProbe: noon.Add(-time.Second), Probe: "GET /owa/",
						ProbeError: "got 503", Probes: health.Tally{Right: 4, Wrong: 5}, ProbeTime: 1500 * time.Microsecond, Requests: 30, Failures: 2, Latency: 20 * time.Millisecond,
					},
					{Profile: "eas", State: "up", Active: 2, Requests: 10, Deep: &node.DeepStatus{
						Probe: "login", At: noon, Took: time.Millisecond, Error: "got 401", Cause: health.Refused, Rests: true,
						Probes: health.Tally{Right: 6, Wrong: 3},
					}},
				},
			}},
		}},
		Table: node.TableStatus{
			Bindings: 7, Capacity: 1000, Unconfirmed: 1, Placements: 2, Evictions: 2, Refusals: 3, Oldest: 90 * time.Second, Bytes: 24000,
			FullIn: 10 * time.Minute,
			File:   node.TableFileStatus{Saved: noon.Add(-time.Minute), SavedBindings: 6, SaveError: "no space", Restored: 5, RestoreError: "damaged"},
		},
		Protection: node.Protection{
			Checked: noon.Add(-time.Hour),
			Advice: []node.Advice{{
				Weight: 1, VIP: "mail", Pool: "cas", Profiles: []string{"owa"}, Server: "cas1", Shown: "00ff", Served: "00fe", Text: "put the same certificate",
			}, {VIP: "mail", Pool: "cas", Profiles: []string{"eas"}, Text: "in plain"}},
			Servers: []node.ShownLeaf{{Pool: "cas", Server: "cas1", Fingerprint: "00fe"}, {Pool: "cas", Server: "cas2", Error: "timeout"}},
		},
		Events: []node.Event{{At: noon.Add(-time.Minute), Kind: "service", Text: "owa on cas1: up -> down"}},
	}
	return &fake{status: func() node.Status { return st }}
}

func (f *fake) Probes(p node.ProbeFilter) ([]node.ProbeAnswer, error) {
	f.probed = p
	if f.refuse != nil {
		return nil, f.refuse
	}
	return []node.ProbeAnswer{{Pool: "cas", Server: "cas1", Profile: "owa", Verdict: "down", At: noon, Error: "got 503"}}, nil
}

func (f *fake) Probe(_ context.Context, p node.ProbeFilter) ([]node.ProbeAnswer, error) {
	f.probed = p
	return nil, f.refuse
}
