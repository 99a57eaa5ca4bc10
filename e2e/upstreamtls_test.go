package e2e

import (
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"casbah/internal/pki/pkitest"
)

// A server of 2008 speaks TLS 1.0 with RSA key exchange and shows a certificate that
// it made itself: it is trusted by its fingerprint, and by the policy that has what
// it speaks. Any other certificate is refused.
func TestOldServerByItsFingerprint(t *testing.T) {
	engines(t, func(t *testing.T, m mode) {
		cert := pkitest.NewAuthority(t, "cas1").Issue(t, pkitest.RSA(t), -time.Minute, "cas1") // expired, too
		sum := sha256.Sum256(cert.Leaf.Raw)
		for _, tt := range []struct {
			name, keys string
			status     int
		}{
			{"as-it-is", fmt.Sprintf("policy = \"legacy\"\npin = [\"%x\"]\n", sum), http.StatusOK},
			{"several", fmt.Sprintf("policy = \"legacy\"\npin = [\"%064d\", \"%X\"]\n", 0, sum), http.StatusOK},
			{"not-its-policy", fmt.Sprintf("pin = [\"%x\"]\n", sum), http.StatusBadGateway},
			{"explicit", fmt.Sprintf("min_version = \"1.0\"\nciphers = [\"TLS_RSA_WITH_AES_128_CBC_SHA\"]\npin = [\"%x\"]\n", sum), http.StatusOK},
			{"another", fmt.Sprintf("policy = \"legacy\"\npin = [\"%064d\"]\n", 0), http.StatusBadGateway},
			{"by-the-system", "policy = \"legacy\"\nserver_name = \"cas1\"\n", http.StatusBadGateway},
		} {
			t.Run(tt.name, func(t *testing.T) {
				s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }))
				s.Config.ErrorLog = log.New(io.Discard, "", 0)
				s.TLS = &tls.Config{
					Certificates: []tls.Certificate{*cert}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10,
					CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA},
				}
				s.StartTLS()
				t.Cleanup(s.Close)
				r := newRig(t, setup{
					mode: m, servers: []string{s.Listener.Addr().String()}, profiles: `"owa"`,
					pool: "upstream_tls = \"on\"\n[pool.tls]\n" + tt.keys, extra: unprobed("owa"),
				})
				if a := r.client("127.0.0.2").get("/owa/x"); a.status != tt.status {
					t.Errorf("status %d; want %d", a.status, tt.status)
				}
			})
		}
	})
}
