package node

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"casbah/internal/acmecert"
	"casbah/internal/pki/pkitest"
	"casbah/tlsterm"
)

// Who removes the file of a certificate that comes by ACME, and reloads, has another one
// asked for: until it comes, and be the server away, clients are shown the one of before.
func TestCertificateStaysUntilTheNextComes(t *testing.T) {
	dir := t.TempDir()
	const directory = "https://127.0.0.1:1/dir" // nobody is there
	ca, key, spec := pkitest.NewAuthority(t, "Test CA"), pkitest.ECDSA(t), acmecert.NewSpec([]string{"mail.example.org"}, acmecert.ECDSA)
	file := (&acmecert.Config{Directory: directory, StateDir: dir}).File(&spec)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	first := ca.Issue(t, key, 60*24*time.Hour, "mail.example.org")
	text := append(pem.EncodeToMemory(pkitest.CertBlock(first.Leaf)), pem.EncodeToMemory(pkitest.KeyBlock(t, key))...)
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	r := newRig(t, dir, fmt.Sprintf("acme = { directory = %q, agree_terms = true }\n", directory)+
		strings.Replace(fmt.Sprintf(poolText+vipText, silentServer(t), silentServer(t), "", "mail"), `"http"`, `"https"`, 1)+
		"certificate = [{ acme = true, names = [\"mail.example.org\"] }]\n"+unprobed)
	shown := func(when string) {
		t.Helper()
		conn, err := tls.Dial("tcp", r.Addrs("mail")[0].String(), &tls.Config{ServerName: "mail.example.org", RootCAs: ca.Pool()})
		if err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		defer conn.Close()
		if got := conn.ConnectionState().PeerCertificates[0]; !got.Equal(first.Leaf) {
			t.Errorf("%s clients are shown number %v", when, got.SerialNumber)
		}
	}
	shown("at the start")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := r.Reload(context.Background()); err != nil {
			t.Fatal(err)
		}
		shown("after a reload")
	}
	if st, ok := r.acmeStatus(file); !ok || st.Next.After(time.Now()) && st.Failures == 0 {
		t.Errorf("status %+v; want that it is asked for", st)
	}

	// So it is where another certificate is wanted in its place.
	conf, err := os.ReadFile(r.conf)
	if err != nil {
		t.Fatal(err)
	}
	_, text2, _ := strings.Cut(string(conf), "log = { access = \"off\" }\n")
	for _, change := range [][2]string{
		{`names = ["mail.example.org"]`, `names = ["mail.example.org", "autodiscover.example.org"]`},
		{directory, directory + "/2"},
		{`acme = true, `, `acme = true, key_type = "rsa", `},
	} {
		text2 = strings.Replace(text2, change[0], change[1], 1)
		r.write(text2)
		if err := r.Reload(context.Background()); err != nil {
			t.Fatal(err)
		}
		shown("with " + change[1])
	}
	text2 = strings.Replace(text2, `["mail.example.org", "autodiscover.example.org"]`, `["other.example.org"]`, 1)
	r.write(text2)
	if err := r.Reload(context.Background()); err != nil {
		t.Fatal(err)
	}
	if c := r.Status().VIPs[0].Certificates[0]; c.Level != tlsterm.LevelAwaited {
		t.Errorf("for another name a certificate of %q is shown; want none", c.Names)
	}
}
