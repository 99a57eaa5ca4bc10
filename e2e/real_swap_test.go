package e2e

import (
	"crypto/tls"
	"errors"
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
)

// The certificate of the running binary is changed under 2,000 live connections and
// 50 handshakes a second: none is lost, and who comes later sees the new one. A file
// that is broken changes nothing, and is told of.
func TestRealCertificateSwap(t *testing.T) {
	real(t)
	t.Parallel() // it waits for the look at the files, most of the time
	for _, engine := range drivers {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			d := startDaemon(t, mode{engine: engine, vip: "tls"}, subjects(t), "")
			dir := filepath.Dir(d.conf)
			cert, key := filepath.Join(dir, "lab.pem"), filepath.Join(dir, "lab.key")
			ca := pkitest.NewAuthority(t, "Swapping CA")
			d.roots.AddCert(ca.Cert)
			ask := func(w *wire) error {
				w.within(patience)
				if _, err := fmt.Fprint(w.Conn, "GET /calm HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
					return err
				}
				resp, _, err := w.answer("GET")
				if err == nil && resp.StatusCode != http.StatusOK {
					err = errors.New(resp.Status)
				}
				return err
			}
			live := make([]*wire, 2000)
			for i := range live {
				live[i] = d.wire()
				if err := ask(live[i]); err != nil {
					t.Fatal(err)
				}
			}
			var shaken, late atomic.Int64
			var swapped atomic.Bool // the log has told of the new certificate
			var work sync.WaitGroup
			stop := make(chan struct{})
			shake := func() {
				want := swapped.Load()
				conn, err := tls.Dial("tcp", d.vip, &tls.Config{RootCAs: d.roots, ServerName: "localhost"})
				if err != nil {
					t.Errorf("handshake: %v", err)
					return
				}
				defer conn.Close()
				if names := conn.ConnectionState().PeerCertificates[0].DNSNames; want && names[len(names)-1] != "swapped.example.org" {
					late.Add(1)
				}
				if err := ask(newWire(nil, conn)); err != nil {
					t.Errorf("request: %v", err)
				}
				shaken.Add(1)
			}
			began := time.Now()
			work.Go(func() {
				tick := time.NewTicker(20 * time.Millisecond)
				defer tick.Stop()
				for {
					select {
					case <-stop:
						return
					case <-tick.C:
						work.Go(shake)
					}
				}
			})
			wait := func(text string) {
				t.Helper()
				for deadline := time.Now().Add(2 * patience); !strings.Contains(d.log.String(), text); time.Sleep(50 * time.Millisecond) {
					if time.Now().After(deadline) {
						t.Fatalf("waited in vain for %q", text)
					}
				}
			}
			fresh := pkitest.ECDSA(t)
			leaf := ca.IssueFrom(t, fresh, time.Now().Add(-time.Hour), time.Now().Add(90*24*time.Hour), "localhost", "swapped.example.org").Leaf
			pkitest.Replace(t, key, pkitest.KeyBlock(t, fresh))
			pkitest.Replace(t, cert, pkitest.CertBlock(leaf))
			wait("new certificate for localhost, swapped.example.org")
			swapped.Store(true)
			time.Sleep(time.Second) // of handshakes that must see it
			if err := os.WriteFile(cert, []byte("-----BEGIN CERTIFICATE-----\nMIIB"), 0o600); err != nil {
				t.Fatal(err)
			}
			wait("refused, what was in force stays")
			time.Sleep(time.Second)
			close(stop)
			work.Wait()
			rate := float64(shaken.Load()) / time.Since(began).Seconds()
			for i, w := range live {
				if err := ask(w); err != nil {
					t.Fatalf("live connection %d: %v", i, err)
				}
			}
			if n := late.Load(); n > 0 {
				t.Errorf("%d handshakes saw the old certificate after the log told of the new one", n)
			}
			if refused := d.status().VIPs[0].Refused["tls"]; refused != 0 {
				t.Errorf("%d handshakes have failed", refused)
			}
			t.Logf("%d handshakes, %.0f a second; %d live connections", shaken.Load(), rate, len(live))
		})
	}
}
