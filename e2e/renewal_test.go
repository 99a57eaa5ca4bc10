package e2e

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"casbah/internal/pki/pkitest"
	"casbah/lab"
)

// renewal is a rig whose certificate is changed on disk.
type renewal struct {
	*rig
	ca        *pkitest.Authority
	cert, key string // files
}

func newRenewal(t *testing.T, m mode) *renewal {
	t.Helper()
	m.vip = "tls"
	r := &renewal{rig: newRig(t, setup{mode: m, lab: lab.Options{Servers: 2}, profiles: `"owa"`}), ca: pkitest.NewAuthority(t, "Renewing CA")}
	r.roots.AddCert(r.ca.Cert)
	r.cert, r.key = filepath.Join(filepath.Dir(r.conf), "lab.pem"), filepath.Join(filepath.Dir(r.conf), "lab.key")
	return r
}

// renew puts a new pair into the files, key first, and returns the names of it. In
// between casbah looks, and finds a key that is not of the certificate.
func (r *renewal) renew(t *testing.T, name string) {
	t.Helper()
	key := pkitest.ECDSA(t)
	leaf := r.ca.IssueFrom(t, key, time.Now().Add(-time.Hour), time.Now().Add(90*24*time.Hour), "localhost", name).Leaf
	pkitest.Replace(t, r.key, pkitest.KeyBlock(t, key))
	r.node.RefreshCertificates(time.Now())
	if got := r.vipStatus("tls").Certificates[0]; got.Refused == "" {
		t.Error("a key without its certificate is not refused")
	}
	pkitest.Replace(t, r.cert, pkitest.CertBlock(leaf))
	r.node.RefreshCertificates(time.Now())
}

// shown returns the last name in the certificate that a new client sees.
func (r *renewal) shown(t *testing.T) string {
	t.Helper()
	conn, err := r.connect("127.0.0.3")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	names := conn.(*tls.Conn).ConnectionState().PeerCertificates[0].DNSNames
	return names[len(names)-1]
}

// events counts those of a kind that say something.
func (r *renewal) events(kind, text string) (n int) {
	for _, e := range r.node.Status().Events {
		if e.Kind == kind && strings.Contains(e.Text, text) {
			n++
		}
	}
	return n
}

// The certificate is changed under live connections and handshakes: none is lost,
// and who comes later sees the new one. Nobody reloads.
func TestCertificateIsRenewedUnderLoad(t *testing.T) {
	liveConns := 100
	if os.Getenv("CASBAH_REAL") != "" {
		liveConns = 2000
	}
	for _, engine := range drivers {
		t.Run(engine, func(t *testing.T) {
			r := newRenewal(t, mode{engine: engine})
			ask := func(w *wire) error {
				w.within(patience)
				if _, err := fmt.Fprint(w.Conn, "GET /owa/ HTTP/1.1\r\nHost: mail\r\n\r\n"); err != nil {
					return err
				}
				resp, _, err := w.answer("GET")
				if err == nil && resp.StatusCode >= 500 {
					return fmt.Errorf("status %d", resp.StatusCode)
				}
				return err
			}
			live := make([]*wire, liveConns)
			for i := range live {
				live[i] = r.wire(t, fmt.Sprintf("127.0.%d.%d", 2+i/200, 2+i%200))
				if err := ask(live[i]); err != nil {
					t.Fatal(err)
				}
			}
			stop := make(chan struct{})
			var work sync.WaitGroup
			var shaken atomic.Int64
			for i := range 4 {
				work.Go(func() {
					for {
						select {
						case <-stop:
							return
						default:
						}
						conn, err := r.connect(fmt.Sprintf("127.0.90.%d", 2+i))
						if err != nil {
							t.Errorf("handshake: %v", err)
							return
						}
						if err := ask(newWire(nil, conn)); err != nil {
							t.Errorf("request: %v", err)
						}
						_ = conn.Close()
						shaken.Add(1)
					}
				})
			}
			for turn := range 5 {
				seen := shaken.Load()
				name := fmt.Sprintf("turn%d.example.org", turn)
				r.renew(t, name)
				if got := r.shown(t); got != name {
					t.Errorf("a new client sees the certificate of %s; want %s", got, name)
				}
				r.until("more handshakes are over", func() bool { return shaken.Load() > seen+20 || t.Failed() })
			}
			close(stop)
			work.Wait()
			for i, w := range live {
				if err := ask(w); err != nil {
					t.Fatalf("live connection %d: %v", i, err)
				}
			}
			if n := r.events("certificate", "new certificate for localhost, turn"); n != 5 {
				t.Errorf("%d events of new certificates; want 5", n)
			}
			if v := r.vipStatus("tls"); v.Refused["tls"] != 0 {
				t.Errorf("%d handshakes have failed", v.Refused["tls"])
			}
		})
	}
}

// A broken file changes nothing, is told of in log, status and events, and once.
func TestBrokenCertificateChangesNothing(t *testing.T) {
	engines(t, func(t *testing.T, m mode) {
		r := newRenewal(t, m)
		r.renew(t, "good.example.org")
		whole, err := os.ReadFile(r.cert)
		if err != nil {
			t.Fatal(err)
		}
		for _, broken := range []string{"", "hello\n", string(whole[:len(whole)/2])} {
			if err := os.WriteFile(r.cert, []byte(broken), 0o600); err != nil {
				t.Fatal(err)
			}
			for range 3 {
				r.node.RefreshCertificates(time.Now())
			}
			if got := r.shown(t); got != "good.example.org" {
				t.Errorf("a new client sees the certificate of %s; want what was in force", got)
			}
			if c := r.vipStatus("tls").Certificates[0]; !strings.Contains(c.Refused, "want a PEM file with a certificate, got "+r.cert+", which holds none") {
				t.Errorf("refused %q", c.Refused)
			}
			if a := r.client("127.0.0.2").get("/owa/"); a.status != http.StatusOK {
				t.Errorf("status %d", a.status)
			}
		}
		if n := r.events("certificate", "refused, what was in force stays"); n != 2 { // the key of renew, and this
			t.Errorf("%d events; want one for each thing that was wrong", n)
		}
	})
}

// What ends soon is told of at three distances, each once, and daily.
func TestCertificateThatEndsSoon(t *testing.T) {
	r := newRenewal(t, mode{})
	r.renew(t, "soon.example.org")
	const day = 24 * time.Hour
	end := r.vipStatus("tls").Certificates[0].NotAfter
	for _, tt := range []struct {
		left time.Duration
		want int // warnings so far
	}{
		{40 * day, 0},
		{29 * day, 1},
		{29*day - time.Minute, 1},
		{28*day - time.Minute, 2}, // a day later
		{14*day - time.Minute, 3},
		{14*day - 2*time.Minute, 3},
		{3*day - time.Minute, 4},
		{time.Minute, 5},
		{-time.Minute, 6},
		{-2 * time.Minute, 6},
	} {
		r.node.RefreshCertificates(end.Add(-tt.left))
		if n := r.events("certificate", "expire"); n != tt.want {
			t.Errorf("%v before its end: %d warnings; want %d", tt.left, n, tt.want)
		}
	}
}
