package node

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// writePair writes a certificate that is valid from and to those times, and its
// key.
func writePair(t *testing.T, dir string, from, to time.Time) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: from, NotAfter: to, DNSNames: []string{"localhost"}}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"cert.pem": {Type: "CERTIFICATE", Bytes: cert}, "key.pem": {Type: "PRIVATE KEY", Bytes: pkcs8},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// A certificate that clients will not accept is no reason not to start, but an
// operator hears of it.
func TestCertificatesOutOfTheirTime(t *testing.T) {
	now := time.Now()
	for _, tt := range []struct {
		name     string
		from, to time.Time
		want     string // of the event
	}{
		{"valid", now.Add(-time.Hour), now.Add(365 * 24 * time.Hour), ""},
		{"expired", now.Add(-time.Hour), now.Add(-time.Minute), "cert.pem: expired on "},
		{"not-yet", now.Add(time.Hour), now.Add(2 * time.Hour), "cert.pem: is not valid before "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			writePair(t, dir, tt.from, tt.to)
			text := strings.Replace(fmt.Sprintf(poolText+vipText, silentServer(t), silentServer(t), "", "mail"), `"http"`, `"https"`, 1)
			r := newRig(t, dir, text+"certificate = [{ cert = \"cert.pem\", key = \"key.pem\" }]\n"+unprobed)
			var warned []string
			for _, e := range r.Status().Events {
				if e.Kind == "certificate" {
					warned = append(warned, e.Text)
				}
			}
			got := strings.Join(warned, "\n")
			if (tt.want == "") != (got == "") || !strings.Contains(got, tt.want) || tt.want != "" && !strings.HasPrefix(got, "vip mail: ") {
				t.Errorf("events %q; want %q", got, tt.want)
			}
			if tt.want != "" && !strings.Contains(r.log.String(), `"level":"warn","event":"certificate"`) {
				t.Errorf("the log does not warn:\n%s", r.log.String())
			}
			conn, err := tls.Dial("tcp", r.Addrs("mail")[0].String(), &tls.Config{InsecureSkipVerify: true})
			if err != nil {
				t.Fatalf("the VIP does not serve: %v", err)
			}
			_ = conn.Close()
		})
	}
}
