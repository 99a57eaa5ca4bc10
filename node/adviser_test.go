package node

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// toldOfProtection returns the events about Extended Protection, newest first.
func (r *rig) toldOfProtection() []string {
	var all []string
	for _, e := range r.Status().Events {
		if e.Kind == "protection" {
			all = append(all, e.Text)
		}
	}
	return all
}

// The servers are asked at the start and when the VIP's certificate has changed,
// without a reload; what was said is said again daily.
func TestAdviserHearsOfCertificates(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	dir := t.TempDir()
	writePair(t, dir, time.Now().Add(-time.Hour), time.Now().Add(365*24*time.Hour))
	address := server.Listener.Addr().String()
	pool := "upstream_tls = \"on\"\n[pool.tls]\nverify = false\n"
	text := strings.Replace(fmt.Sprintf(poolText+vipText, address, address, pool, "mail"), `"http"`, `"https"`, 1)
	r := newRig(t, dir, text+"certificate = [{ cert = \"cert.pem\", key = \"key.pem\" }]\n"+unprobed+"[profile.owa]\nextended_protection = \"require\"\n")
	r.until("both servers are found to differ", func() bool { return len(r.Status().Protection.Advice) == 2 })
	if told := r.toldOfProtection(); len(told) != 2 || !strings.Contains(told[0], "vip mail: owa: warning: server cas") {
		t.Errorf("events %q; want one for each server", told)
	}
	r.advise(time.Now(), false)
	if told := r.toldOfProtection(); len(told) != 2 {
		t.Errorf("%d events after another look; want no more than before", len(told))
	}
	r.advise(time.Now(), true)
	if told := r.toldOfProtection(); len(told) != 4 {
		t.Errorf("%d events after a day; want 4", len(told))
	}

	pair := server.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"cert.pem": {Type: "CERTIFICATE", Bytes: pair.Certificate[0]}, "key.pem": {Type: "PRIVATE KEY", Bytes: key},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r.RefreshCertificates(time.Now())
	r.until("the certificates are the same", func() bool { return len(r.Status().Protection.Advice) == 0 })
	if told := r.toldOfProtection(); len(told) != 5 || !strings.Contains(told[0], "nothing stands in the way") {
		t.Errorf("events %q; want one more that all is well", told)
	}
}
