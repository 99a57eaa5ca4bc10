package tlsterm

import (
	"bytes"
	"crypto/tls"
	"encoding/pem"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"casbah/internal/pki/pkitest"
)

// renewing is a VIP whose files change.
type renewing struct {
	t     *testing.T
	ca    *pkitest.Authority
	certs *Certs
	files Files
	now   time.Time
}

func newRenewing(t *testing.T) *renewing {
	t.Helper()
	r := &renewing{t: t, ca: pkitest.NewAuthority(t, "Test CA"), now: time.Now()}
	key := pkitest.ECDSA(t)
	first := r.ca.Issue(t, key, 48*time.Hour, "mail.example.org", "imap.example.org")
	r.files = Files{Cert: pkitest.Write(t, "mail.pem", pkitest.CertBlock(first.Leaf)), Key: pkitest.Write(t, "mail.key", pkitest.KeyBlock(t, key))}
	var err error
	if r.certs, err = LoadCerts([]Source{{Files: r.files}}, nil); err != nil {
		t.Fatal(err)
	}
	return r
}

// shown returns what a client sees.
func (r *renewing) shown() string {
	r.t.Helper()
	client := &tls.Config{ServerName: "mail.example.org", RootCAs: r.ca.Pool()}
	return Fingerprint(mustShake(r.t, ServerConfig(r.certs, Policy{}), client).PeerCertificates[0])
}

// look reads the files again and wants what is said of them.
func (r *renewing) look(wants ...string) {
	r.t.Helper()
	var got []string
	for _, c := range r.certs.Refresh(r.now) {
		text := c.Text
		if c.Err != nil {
			text = c.Err.Error()
		}
		if c.File != r.files.Cert {
			r.t.Errorf("a change of %s; want %s", c.File, r.files.Cert)
		}
		got = append(got, text)
	}
	if len(got) != len(wants) {
		r.t.Fatalf("Refresh() says %q; want %q", got, wants)
	}
	for i, want := range wants {
		if !strings.Contains(got[i], want) {
			r.t.Errorf("Refresh() says %q; want %q", got[i], want)
		}
	}
}

// write puts something into a file as an editor does, in place.
func (r *renewing) write(file string, data []byte) {
	r.t.Helper()
	if err := os.WriteFile(file, data, 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// A renewed pair is shown to new clients. A broken, half-written or foreign one
// changes nothing, and is told of once.
func TestCertificateIsRenewed(t *testing.T) {
	r := newRenewing(t)
	first := r.shown()
	r.look()
	key := pkitest.RSA(t)
	second := r.ca.Issue(t, key, 72*time.Hour, "mail.example.org")
	certText, keyText := pem.EncodeToMemory(pkitest.CertBlock(second.Leaf)), pem.EncodeToMemory(pkitest.KeyBlock(t, key))

	keep := func() {
		t.Helper()
		if got := r.shown(); got != first {
			t.Errorf("clients see %s; want what was in force", got)
		}
		if pairs := r.certs.Pairs(r.now); pairs[0].Refused == "" || pairs[0].Fingerprint != first {
			t.Errorf("Pairs() = %+v; want a refusal", pairs)
		}
	}
	r.write(r.files.Cert, certText)
	r.look("refused, what was in force stays: key: want the private key of " + r.files.Cert)
	keep()
	r.look() // once
	r.write(r.files.Key, keyText[:len(keyText)/2])
	r.look("refused, what was in force stays: key: want a PEM file with a private key")
	keep()
	if err := os.Remove(r.files.Key); err != nil {
		t.Fatal(err)
	}
	r.look("no such file or directory")
	keep()
	r.write(r.files.Key, keyText)
	r.look("new certificate for mail.example.org, valid to " + second.Leaf.NotAfter.Format(time.DateOnly) + ", SHA-256 " +
		Fingerprint(second.Leaf) + "; it does not name imap.example.org any more")
	if got := r.shown(); got != Fingerprint(second.Leaf) {
		t.Errorf("clients see %s; want the new certificate", got)
	}
	r.look()
	if p := r.certs.Pairs(r.now)[0]; p.Refused != "" || p.Key != "RSA 2048" || p.Issuer != "CN=Test CA" {
		t.Errorf("Pairs() = %+v", p)
	}
}

// What is broken and then as it was before is no news but that.
func TestCertificateIsRestored(t *testing.T) {
	r := newRenewing(t)
	first := r.shown()
	text, err := os.ReadFile(r.files.Cert)
	if err != nil {
		t.Fatal(err)
	}
	r.write(r.files.Cert, bytes.ToLower(text))
	r.look("want a PEM file with a certificate")
	r.write(r.files.Cert, text)
	r.look("holds again what is in force")
	if got := r.shown(); got != first || r.certs.Pairs(r.now)[0].Refused != "" {
		t.Errorf("clients see %s; want the same as ever", got)
	}
}

// A pair that is not valid is not taken, until it is.
func TestCertificateOutOfItsTimeIsNotTaken(t *testing.T) {
	r := newRenewing(t)
	first := r.shown()
	for _, tt := range []struct {
		from, to time.Duration
		want     string
	}{
		{-2 * time.Hour, -time.Hour, "certificate expired on "},
		{time.Hour, 2 * time.Hour, "certificate is not valid before "},
	} {
		key := pkitest.ECDSA(t)
		next := r.ca.IssueFrom(t, key, r.now.Add(tt.from), r.now.Add(tt.to), "mail.example.org")
		pkitest.Replace(t, r.files.Key, pkitest.KeyBlock(t, key))
		pkitest.Replace(t, r.files.Cert, pkitest.CertBlock(next.Leaf))
		r.look(tt.want)
		if got := r.shown(); got != first {
			t.Errorf("clients see %s; want what was in force", got)
		}
	}
	r.now = r.now.Add(90 * time.Minute) // the same files are good now
	r.look("new certificate for mail.example.org")
}

// Who loads anew, for a reason of his own, has nothing put in force that was refused
// until then.
func TestLoadKeepsWhatIsBetter(t *testing.T) {
	r := newRenewing(t)
	first, held := r.shown(), r.certs.Of(r.files.Cert)
	reload := func(held *tls.Certificate) (err error) {
		r.certs, err = LoadCerts([]Source{{Files: r.files, Held: held}}, nil)
		return err
	}
	key := pkitest.ECDSA(t)
	ended := r.ca.IssueFrom(t, key, r.now.Add(-2*time.Hour), r.now.Add(-time.Hour), "mail.example.org")
	pkitest.Replace(t, r.files.Key, pkitest.KeyBlock(t, key))
	if err := reload(held); err != nil {
		t.Fatal(err)
	}
	r.look("key: want the private key of " + r.files.Cert)
	if got := r.shown(); got != first {
		t.Errorf("with a key of another certificate clients see %s; want what was in force", got)
	}
	pkitest.Replace(t, r.files.Cert, pkitest.CertBlock(ended.Leaf))
	if err := reload(held); err != nil {
		t.Fatal(err)
	}
	r.look("certificate expired on ")
	if got := r.shown(); got != first {
		t.Errorf("with a certificate that has ended clients see %s; want what was in force", got)
	}
	for _, none := range []*tls.Certificate{nil, ended} { // nothing is better
		if err := reload(none); err != nil {
			t.Fatal(err)
		}
		if got := Fingerprint(r.certs.Of(r.files.Cert).Leaf); got != Fingerprint(ended.Leaf) {
			t.Errorf("clients see %s; want what there is", got)
		}
	}
	next := r.ca.Issue(t, key, 72*time.Hour, "mail.example.org")
	pkitest.Replace(t, r.files.Cert, pkitest.CertBlock(next.Leaf))
	if err := reload(held); err != nil || r.shown() != Fingerprint(next.Leaf) {
		t.Errorf("a new certificate is not shown: %v", err)
	}
}

func TestPairs(t *testing.T) {
	now := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	ca, key := pkitest.NewAuthority(t, "Test CA"), pkitest.ECDSA(t)
	keyFile := pkitest.Write(t, "key.pem", pkitest.KeyBlock(t, key))
	tests := []struct {
		left time.Duration // from now to its end
		from time.Duration // from now to its begin
		want Level
	}{
		{30 * day, -day, LevelGood},
		{30*day - time.Second, -day, LevelNotice},
		{14 * day, -day, LevelNotice},
		{14*day - time.Second, -day, LevelWarning},
		{3 * day, -day, LevelWarning},
		{3*day - time.Second, -day, LevelCritical},
		{0, -day, LevelCritical},
		{-time.Second, -day, LevelExpired},
		{90 * day, time.Second, LevelNotYet},
		{90 * day, 0, LevelGood},
	}
	var files []Source
	for _, tt := range tests {
		leaf := ca.IssueFrom(t, key, now.Add(tt.from), now.Add(tt.left), "b.example.org", "A.example.org").Leaf
		files = append(files, Source{Files: Files{Cert: pkitest.Write(t, "cert.pem", pkitest.CertBlock(leaf)), Key: keyFile}})
	}
	certs, err := LoadCerts(files, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range certs.Pairs(now) {
		if tt := tests[i]; p.Level != tt.want || !p.NotAfter.Equal(now.Add(tt.left)) || p.File != files[i].Cert ||
			!slices.Equal(p.Names, []string{"a.example.org", "b.example.org"}) || p.Key != "ECDSA 256" {
			t.Errorf("%v left, %v to its begin: %+v; want %v", tt.left, tt.from, p, tt.want)
		}
	}
}

// Handshakes find their certificate without allocating, but for a name in capitals.
func TestCertsGetDoesNotAllocate(t *testing.T) {
	ca := pkitest.NewAuthority(t, "Test CA")
	certs := new(Certs)
	certs.Set([]*tls.Certificate{
		ca.Issue(t, pkitest.ECDSA(t), time.Hour, "mail.example.org"), ca.Issue(t, pkitest.ECDSA(t), time.Hour, "imap.example.org"),
	})
	hello := &tls.ClientHelloInfo{ServerName: "imap.example.org"}
	if n := testing.AllocsPerRun(100, func() { _, _ = certs.Get(hello) }); n != 0 {
		t.Errorf("Get allocates %v times; want 0", n)
	}
}
