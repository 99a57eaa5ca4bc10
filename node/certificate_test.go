package node

import (
	"context"
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
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"casbah/internal/logs"
	"casbah/internal/pki/pkitest"
	"casbah/profiles"
	"casbah/tlsterm"
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
			if tt.want != "" && !strings.Contains(r.log.String(), `"level":"warn","part":"tls","event":"certificate"`) {
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

// A certificate that was refused because it is not valid comes in by no other way: not
// by a reload for a reason of its own, nor is an operator's hurry held up by one.
func TestReloadKeepsAValidCertificate(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	writePair(t, dir, now.Add(-time.Hour), now.Add(365*24*time.Hour))
	text := strings.Replace(fmt.Sprintf(poolText+vipText, silentServer(t), silentServer(t), "", "mail"), `"http"`, `"https"`, 1)
	ca := pkitest.Write(t, "ca.pem", pkitest.CertBlock(pkitest.NewAuthority(t, "Clients").Cert))
	r := newRig(t, dir, text+"certificate = [{ cert = \"cert.pem\", key = \"key.pem\" }]\n"+
		fmt.Sprintf("tls = { client_auth = \"require\", client_ca = %q }\n", ca)+unprobed)
	first := r.Status().VIPs[0].Certificates[0].Fingerprint
	kept := func(when, refused string) {
		t.Helper()
		if c := r.Status().VIPs[0].Certificates[0]; c.Fingerprint != first || !strings.Contains(c.Refused, refused) {
			t.Errorf("%s: certificate %s, refused %q; want the one that is valid, and %q", when, c.Fingerprint, c.Refused, refused)
		}
	}
	writePair(t, dir, now.Add(time.Hour), now.Add(2*time.Hour))
	r.RefreshCertificates(now)
	kept("after a look", "not valid before")
	if err := r.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	kept("after a reload", "not valid before")
	for _, file := range []string{filepath.Join(dir, "key.pem"), ca} {
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.SetTimeout(t.Context(), Timeout{Profile: "owa", Minutes: 5}); err != nil {
		t.Errorf("a timeout cannot be set while a certificate is changed: %v", err)
	}
	kept("with half of a new pair", "private key")
	if err := r.Reload(t.Context()); err == nil {
		t.Error("a reload takes half of a new pair")
	}
}

// The files are read twice a minute, by nobody's order.
func TestCertificatesAreReadByThemselves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ca := pkitest.NewAuthority(t, "Test CA")
		file := pkitest.Write(t, "mail.pem")
		put := func() string {
			t.Helper()
			key := pkitest.ECDSA(t)
			leaf := ca.Issue(t, key, 90*24*time.Hour, "mail.example.org").Leaf
			pkitest.Replace(t, file, pkitest.CertBlock(leaf), pkitest.KeyBlock(t, key))
			return tlsterm.Fingerprint(leaf)
		}
		first := put()
		certs, err := tlsterm.LoadCerts([]tlsterm.Source{{Files: tlsterm.Files{Cert: file}}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		n := &Node{log: zerolog.Nop(), logs: logs.New(zerolog.Nop(), "info"), background: ctx, adviser: newAdviser()}
		n.snap.Store(&snapshot{vips: []*builtVIP{{conf: &profiles.VIP{Name: "mail"}, certs: certs}}})
		go n.keepCertificates()
		second := put()
		for _, tt := range []struct {
			wait time.Duration
			want string
		}{{29 * time.Second, first}, {time.Second, second}, {time.Hour, second}} {
			time.Sleep(tt.wait)
			synctest.Wait()
			if got := certs.Pairs(time.Now())[0].Fingerprint; got != tt.want {
				t.Errorf("after %v more the certificate is %s; want %s", tt.wait, got, tt.want)
			}
		}
		if events := n.events.newest(); len(events) != 1 || !strings.Contains(events[0].Text, "vip mail: "+file+": new certificate for mail.example.org") {
			t.Errorf("events %v; want one of the new certificate", events)
		}
		cancel()
		synctest.Wait()
	})
}
