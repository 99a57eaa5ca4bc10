package e2e

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"casbah/internal/pki/pkitest"
)

// responder is an authority whose real OCSP responder knows one serial number.
type responder struct {
	t   *testing.T
	ca  *pkitest.Authority
	url string
	cmd *exec.Cmd
}

func startResponder(t *testing.T, serial int64) *responder {
	t.Helper()
	r := &responder{t: t, ca: pkitest.NewAuthority(t, "Test CA")}
	_, port, _ := strings.Cut(freeAddresses(t, 1)[0], ":")
	r.url = "http://127.0.0.1:" + port
	index := pkitest.WriteText(t, "index.txt", fmt.Sprintf("V\t%s\t\t%02X\tunknown\t/CN=mail\n", time.Now().AddDate(1, 0, 0).UTC().Format("060102150405Z"), serial))
	ca := pkitest.Write(t, "ca.pem", pkitest.CertBlock(r.ca.Cert), pkitest.KeyBlock(t, r.ca.Key))
	r.cmd = exec.Command(peer(t, "openssl"), "ocsp", "-index", index, "-port", port, "-rsigner", ca, "-rkey", ca, "-CA", ca, "-ndays", "1")
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.stop)
	return r
}

func (r *responder) stop() {
	_ = r.cmd.Process.Kill()
	_ = r.cmd.Wait()
}

// certificate writes a certificate that names the responder, and demands a staple or
// does not.
func (r *responder) certificate(serial int64, must bool, name string) string {
	r.t.Helper()
	key := pkitest.ECDSA(r.t)
	form := &x509.Certificate{
		SerialNumber: big.NewInt(serial), DNSNames: []string{"localhost", name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		OCSPServer: []string{r.url}, KeyUsage: x509.KeyUsageDigitalSignature,
	}
	if must {
		form.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 24}, Value: []byte{0x30, 0x03, 0x02, 0x01, 0x05}}}
	}
	der, err := x509.CreateCertificate(rand.Reader, form, r.ca.Cert, key.Public(), r.ca.Key)
	if err != nil {
		r.t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		r.t.Fatal(err)
	}
	return pkitest.Write(r.t, name+".pem", pkitest.CertBlock(leaf), pkitest.CertBlock(r.ca.Cert), pkitest.KeyBlock(r.t, key))
}

// The answer of a real responder is stapled, as the real openssl sees it, with TLS
// 1.2 and 1.3, and after a restart without the responder too. A certificate that
// demands a staple and gets none is told of.
func TestRealStapling(t *testing.T) {
	t.Parallel()
	real(t)
	engines(t, func(t *testing.T, m mode) {
		r := startResponder(t, 7)
		second := freeAddress(t)
		d := &daemon{t: t, mode: m, conf: filepath.Join(t.TempDir(), "casbah.toml"), vip: freeAddress(t), ended: make(chan struct{})}
		rest := fmt.Sprintf("[[vip.certificate]]\ncert = %q\n[[vip]]\nname = \"must\"\ntype = \"https\"\nlisten = [%q]\nprofiles = [\"calm\"]\npool = \"cas\"\n[[vip.certificate]]\ncert = %q\n",
			r.certificate(7, true, "mail.example.org"), second, r.certificate(8, true, "must.example.org"))
		dir := filepath.Dir(d.conf)
		d.write(fmt.Sprintf(serveConf, m.key(), dir, filepath.Join(dir, "access.log"), subjects(t), "https", d.vip, "calm", rest+ownProfiles))
		d.launch(nil)
		stapled := func(addr, version string) bool {
			said := sClient(t, addr, "-status", version)
			good := strings.Contains(said, "Cert Status: good") && strings.Contains(said, "OCSP Response Status: successful (0x0)")
			if !good && !strings.Contains(said, "OCSP response: no response sent") {
				t.Fatalf("openssl says\n%s", said)
			}
			return good
		}
		d.until("the staple is shown", func() bool { return stapled(d.vip, "-tls1_3") })
		if !stapled(d.vip, "-tls1_2") {
			t.Error("no staple in TLS 1.2")
		}
		if stapled(second, "-tls1_3") {
			t.Error("a certificate that the responder does not know is stapled")
		}
		d.until("the log tells of the other", func() bool {
			log := d.log.String()
			return strings.Contains(log, "no OCSP staple for localhost: the authority does not know the certificate") && strings.Contains(log, "clients refuse it: it demands an OCSP staple")
		})
		told := d.staples()
		if !told["mail"].Required || told["mail"].Until.Before(time.Now()) || !told["must"].Until.IsZero() || !strings.Contains(told["must"].Problem, "does not know") {
			t.Errorf("the status tells %+v", told)
		}
		files, _ := filepath.Glob(filepath.Join(dir, "ocsp", "*"))
		if info, err := os.Stat(files[0]); len(files) != 1 || err != nil || info.Mode() != 0o600 {
			t.Errorf("files %v; want one staple", files)
		}
		r.stop()
		d.signal(syscall.SIGTERM)
		d.exits()
		d = d.again()
		d.until("the staple is shown again", func() bool { return stapled(d.vip, "-tls1_3") })
		d.edit("[[vip]]\nname = \"must\"", "[vip.tls]\nocsp_stapling = false\n[[vip]]\nname = \"must\"")
		d.signal(syscall.SIGHUP)
		d.until("it is switched off", func() bool { return !stapled(d.vip, "-tls1_3") })
	})
}

// stapleTold is what the API says of a staple.
type stapleTold struct {
	Required bool      `json:"required"`
	Until    time.Time `json:"until"`
	Problem  string    `json:"problem"`
}

// staples returns what the API says of the first certificate of each VIP.
func (d *daemon) staples() map[string]stapleTold {
	d.t.Helper()
	var s struct {
		VIPs []struct {
			Name         string `json:"name"`
			Certificates []struct {
				OCSP stapleTold `json:"ocsp"`
			} `json:"certificates"`
		} `json:"vips"`
	}
	d.statusAs(&s)
	all := make(map[string]stapleTold)
	for _, v := range s.VIPs {
		all[v.Name] = v.Certificates[0].OCSP
	}
	return all
}
