package tlsterm

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"io"
	"io/fs"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/ocsp"

	"casbah/internal/pki/pkitest"
)

// stapler is an authority with a responder, and a VIP that shows a certificate of it.
type stapler struct {
	t      *testing.T
	ca     *pkitest.Authority
	at     *httptest.Server
	asked  atomic.Int32
	answer func(serial *big.Int) []byte // nil: 500
}

func newStapler(t *testing.T) *stapler {
	t.Helper()
	s := &stapler{t: t, ca: pkitest.NewAuthority(t, "Test CA")}
	s.answer = s.good
	s.at = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		q, err := ocsp.ParseRequest(body)
		if err != nil || r.Header.Get("Content-Type") != "application/ocsp-request" {
			t.Errorf("the question is none: %v", err)
			return
		}
		if s.answer == nil {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/ocsp-response")
		_, _ = w.Write(s.answer(q.SerialNumber))
	}))
	t.Cleanup(s.at.Close)
	return s
}

// good is an answer that holds for two hours.
func (s *stapler) good(serial *big.Int) []byte {
	now := time.Now()
	return s.signed(&ocsp.Response{Status: ocsp.Good, SerialNumber: serial, ThisUpdate: now.Add(-time.Minute), NextUpdate: now.Add(2 * time.Hour)}, s.ca.Cert, s.ca.Key)
}

func (s *stapler) signed(r *ocsp.Response, by *x509.Certificate, key crypto.Signer) []byte {
	s.t.Helper()
	raw, err := ocsp.CreateResponse(s.ca.Cert, by, *r, key)
	if err != nil {
		s.t.Fatal(err)
	}
	return raw
}

// certificate makes one for names that has the responder, and maybe must be stapled.
func (s *stapler) certificate(key crypto.Signer, serial int64, must bool, names ...string) *tls.Certificate {
	s.t.Helper()
	form := &x509.Certificate{
		SerialNumber: big.NewInt(serial), DNSNames: names, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		OCSPServer: []string{s.at.URL}, KeyUsage: x509.KeyUsageDigitalSignature,
	}
	if must {
		form.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier(mustStaple), Value: []byte{0x30, 0x03, 0x02, 0x01, 0x05}}}
	}
	return s.issue(form, key)
}

func (s *stapler) issue(form *x509.Certificate, key crypto.Signer) *tls.Certificate {
	s.t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, form, s.ca.Cert, key.Public(), s.ca.Key)
	if err != nil {
		s.t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		s.t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der, s.ca.Cert.Raw}, PrivateKey: key, Leaf: leaf}
}

// file writes a certificate with its issuer and key.
func (s *stapler) file(cert *tls.Certificate) Source {
	s.t.Helper()
	return Source{Files: Files{Cert: pkitest.Write(s.t, "cert.pem", pkitest.CertBlock(cert.Leaf), pkitest.CertBlock(s.ca.Cert), pkitest.KeyBlock(s.t, cert.PrivateKey.(crypto.Signer)))}}
}

// stapleTo returns the staple that a client gets with a certificate, by a real
// handshake.
func stapleTo(t *testing.T, certs *Certs, name string) (staple []byte, leaf *x509.Certificate) {
	t.Helper()
	ln, err := tls.Listen("tcp", "127.0.0.1:0", ServerConfig(certs, Policy{}))
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		if conn, err := ln.Accept(); err == nil {
			_ = conn.(*tls.Conn).Handshake()
			_ = conn.Close()
		}
	}()
	conn, err := tls.Dial("tcp", ln.Addr().String(), &tls.Config{InsecureSkipVerify: true, ServerName: name})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	st := conn.ConnectionState()
	return st.OCSPResponse, st.PeerCertificates[0]
}

// A certificate that names a responder is shown with its answer, which is asked for
// again when half of its time is over, dropped when it ends, and kept for the next
// start.
func TestStapleComesAndGoes(t *testing.T) {
	s, now, dir := newStapler(t), time.Now(), filepath.Join(t.TempDir(), "ocsp")
	staples := NewStaples(dir)
	certs, err := LoadCerts([]Source{s.file(s.certificate(pkitest.ECDSA(t), 7, false, "mail.example.org"))}, staples)
	if err != nil {
		t.Fatal(err)
	}
	if raw, _ := stapleTo(t, certs, "mail.example.org"); raw != nil {
		t.Error("there is a staple before anybody was asked")
	}
	keep := func(at time.Time, asked int32) []Change {
		t.Helper()
		told := staples.Keep(t.Context(), certs.Stapled(), at)
		certs.Refresh(at)
		if n := s.asked.Load(); n != asked {
			t.Errorf("asked %d times; want %d", n, asked)
		}
		return told
	}
	if told := keep(now, 1); len(told) != 1 || told[0].Err != nil || !strings.Contains(told[0].Text, "OCSP staple for mail.example.org, good to") {
		t.Errorf("told of %v; want the first staple", told)
	}
	first, _ := stapleTo(t, certs, "mail.example.org")
	if first == nil {
		t.Fatal("the staple is not shown")
	}
	st := certs.Pairs(now)[0].Staple
	if st == nil || st.Responder != s.at.URL || st.Until.Before(now.Add(time.Hour)) || st.Required || st.Error != "" {
		t.Errorf("status %+v", st)
	}
	keep(now.Add(55*time.Minute), 1)
	s.answer = nil
	if told := keep(now.Add(80*time.Minute), 2); len(told) != 1 || told[0].Err == nil || !strings.Contains(told[0].Err.Error(), "500") {
		t.Errorf("told of %v; want the failure", told)
	}
	if again, _ := stapleTo(t, certs, "mail.example.org"); !bytes.Equal(again, first) {
		t.Error("a failure has changed what is shown")
	}
	if told := keep(now.Add(82*time.Minute), 3); len(told) != 0 {
		t.Errorf("the same failure is told of again: %v", told)
	}

	stranger := filepath.Join(dir, strings.Repeat("ab", 32)+stapleSuffix) // of a certificate that was replaced meanwhile
	if err := os.WriteFile(stranger, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	anew := NewStaples(dir)
	later, err := LoadCerts([]Source{{Files: certs.pairs[0].files}}, anew)
	if err != nil {
		t.Fatal(err)
	}
	for _, when := range []string{"at once", "after a look"} {
		if raw, _ := stapleTo(t, later, "mail.example.org"); !bytes.Equal(raw, first) || s.asked.Load() != 3 {
			t.Errorf("%s the staple has not outlived the restart", when)
		}
		anew.Keep(t.Context(), later.Stapled(), now.Add(time.Minute))
		later.Refresh(now)
	}
	if _, err := os.Stat(stranger); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the staple of another certificate: %v; want it gone", err)
	}

	certs.Refresh(now.Add(121 * time.Minute))
	if raw, _ := stapleTo(t, certs, "mail.example.org"); raw != nil {
		t.Error("a staple is shown that has ended")
	}
	s.answer = s.good
	if told := keep(now.Add(3*time.Hour), 4); len(told) != 1 || told[0].Err == nil { // the answer is of today
		t.Errorf("told of %v; want one that is refused", told)
	}
	if files, _ := filepath.Glob(filepath.Join(dir, "*")); len(files) != 1 {
		t.Errorf("files %v; want one", files)
	}
	staples.Keep(t.Context(), nil, now)
	if files, _ := filepath.Glob(filepath.Join(dir, "*")); len(files) != 0 {
		t.Errorf("files %v; want none of a certificate that is gone", files)
	}
}

// What is not good, in force, of this certificate and by its authority is no staple.
func TestStapleRefused(t *testing.T) {
	s, now := newStapler(t), time.Now()
	cert := s.certificate(pkitest.ECDSA(t), 7, false, "mail.example.org")
	other, otherKey := pkitest.NewAuthority(t, "Other CA"), pkitest.ECDSA(t)
	delegate := func(usage ...x509.ExtKeyUsage) *x509.Certificate {
		return s.issue(&x509.Certificate{
			SerialNumber: big.NewInt(99), Subject: pkix.Name{CommonName: "responder"},
			NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour), ExtKeyUsage: usage,
		}, otherKey).Leaf
	}
	ended := s.issue(&x509.Certificate{
		SerialNumber: big.NewInt(98), NotBefore: now.Add(-2 * time.Hour), NotAfter: now.Add(-time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning},
	}, otherKey).Leaf
	form := func(change func(r *ocsp.Response)) *ocsp.Response {
		r := &ocsp.Response{Status: ocsp.Good, SerialNumber: big.NewInt(7), ThisUpdate: now.Add(-time.Minute), NextUpdate: now.Add(time.Hour)}
		change(r)
		return r
	}
	same := func(*ocsp.Response) {}
	by := func(c *x509.Certificate, key crypto.Signer) []byte {
		return s.signed(form(func(r *ocsp.Response) { r.Certificate = c }), c, key)
	}
	own := func(change func(r *ocsp.Response)) []byte { return s.signed(form(change), s.ca.Cert, s.ca.Key) }
	for _, tt := range []struct {
		name string
		raw  []byte
		want string // of the error; empty: it is taken
	}{
		{"good", own(same), ""},
		{"delegated", by(delegate(x509.ExtKeyUsageOCSPSigning), otherKey), ""},
		{"not-for-this", by(delegate(x509.ExtKeyUsageServerAuth), otherKey), "not for this"},
		{"delegate-ended", by(ended, otherKey), "not valid now"},
		{"other-authority", by(other.Cert, other.Key), "refused"},
		{"unsigned", s.signed(form(same), s.ca.Cert, otherKey), "refused"},
		{"revoked", own(func(r *ocsp.Response) { r.Status, r.RevokedAt = ocsp.Revoked, now.Add(-time.Hour) }), "revoked"},
		{"unknown", own(func(r *ocsp.Response) { r.Status = ocsp.Unknown }), "does not know"},
		{"other-serial", own(func(r *ocsp.Response) { r.SerialNumber = big.NewInt(8) }), "refused"},
		{"ended", own(func(r *ocsp.Response) { r.NextUpdate = now.Add(-time.Second) }), "was good until"},
		{"endless", own(func(r *ocsp.Response) { r.NextUpdate = time.Time{} }), "how long"},
		{"to-come", own(func(r *ocsp.Response) { r.ThisUpdate = now.Add(10 * time.Minute) }), "to come"},
		{"backwards", own(func(r *ocsp.Response) { r.ThisUpdate, r.NextUpdate = now.Add(4*time.Minute), now.Add(time.Minute) }), "ends before it begins"},
		{"try-later", ocsp.TryLaterErrorResponse, "refused"},
		{"empty", nil, "refused"},
		{"long", make([]byte, mostStaple+1), "longer"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			st, err := readStaple(tt.raw, cert.Leaf, s.ca.Cert, now)
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) || (st == nil) != (err != nil) {
				t.Errorf("readStaple() = %v, %v; want %q", st, err, tt.want)
			}
			if st != nil && st.refresh(now).Before(now) {
				t.Error("the responder is asked again before now")
			}
		})
	}
}

// A certificate that demands a staple gives way to another one as long as it has
// none, and is shown where there is no other.
func TestMustStaple(t *testing.T) {
	s, now := newStapler(t), time.Now()
	must := s.certificate(pkitest.ECDSA(t), 7, true, "mail.example.org")
	plain := s.certificate(pkitest.RSA(t), 8, false, "mail.example.org")
	alone := s.certificate(pkitest.ECDSA(t), 9, true, "alone.example.org")
	staples := NewStaples(t.TempDir())
	certs, err := LoadCerts([]Source{s.file(must), s.file(plain), s.file(alone)}, staples)
	if err != nil {
		t.Fatal(err)
	}
	shows := func(name string, serial int64, stapled bool) {
		t.Helper()
		raw, leaf := stapleTo(t, certs, name)
		if leaf.SerialNumber.Int64() != serial || (raw != nil) != stapled {
			t.Errorf("%s: certificate %v, staple %v; want %d, %v", name, leaf.SerialNumber, raw != nil, serial, stapled)
		}
	}
	shows("mail.example.org", 8, false)
	shows("alone.example.org", 9, false)
	if st := certs.Pairs(now)[0].Staple; !st.Required || !st.Until.IsZero() {
		t.Errorf("status %+v; want one that is required and lacks", st)
	}
	staples.Keep(t.Context(), certs.Stapled(), now)
	certs.Refresh(now)
	shows("mail.example.org", 7, true)
	shows("alone.example.org", 9, true)
	off, err := LoadCerts([]Source{s.file(must), s.file(plain)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if st := off.Pairs(now); st[0].Staple == nil || !strings.Contains(st[0].Staple.Error, "ocsp_stapling") || st[1].Staple != nil || len(off.Stapled()) != 0 {
		t.Errorf("switched off: %+v", st)
	}
}

// Who cannot be asked holds nobody up for long, and is told of in words.
func TestResponderCannotBeAsked(t *testing.T) {
	s := newStapler(t)
	for _, tt := range []struct {
		name, responder string
		chain           bool
		want            string
	}{
		{"scheme", "ldap://ca.example.org/", true, "no URL of http"},
		{"nobody", "http://127.0.0.1:1/", true, "refused"},
		{"no-issuer", s.at.URL, false, "no certificate of the issuer"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cert := s.issue(&x509.Certificate{
				SerialNumber: big.NewInt(7), DNSNames: []string{"mail.example.org"}, NotAfter: time.Now().Add(time.Hour), OCSPServer: []string{tt.responder},
			}, pkitest.ECDSA(t))
			if !tt.chain {
				cert.Certificate = cert.Certificate[:1]
			}
			staples := NewStaples(t.TempDir())
			told := staples.Keep(t.Context(), []*tls.Certificate{cert}, time.Now())
			if len(told) != 1 || told[0].Err == nil || !strings.Contains(told[0].Err.Error(), tt.want) {
				t.Errorf("told of %v; want %q", told, tt.want)
			}
		})
	}
}

// strangeResponder is a server whose connections f handles, which are closed behind
// it. It returns its address.
func strangeResponder(t *testing.T, f func(net.Conn)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			f(conn)
			_ = conn.Close()
		}
	}()
	return "http://" + ln.Addr().String()
}

// What fails in the same way each time is told of once, although each attempt has a
// port of its own.
func TestSameFailureIsToldOfOnce(t *testing.T) {
	at := strangeResponder(t, func(conn net.Conn) {
		_, _ = conn.Read(make([]byte, 1))
		_ = conn.(*net.TCPConn).SetLinger(0) // closed by a reset
	})
	s, staples, now := newStapler(t), NewStaples(t.TempDir()), time.Now()
	cert := s.issue(&x509.Certificate{
		SerialNumber: big.NewInt(7), DNSNames: []string{"mail.example.org"}, NotAfter: now.Add(time.Hour), OCSPServer: []string{at},
	}, pkitest.ECDSA(t))
	for i, want := range []int{1, 0, 0} {
		told := staples.Keep(t.Context(), []*tls.Certificate{cert}, now.Add(time.Duration(i)*2*lastStapleRetry))
		if len(told) != want || want == 1 && !strings.Contains(told[0].Err.Error(), "connection reset by peer") {
			t.Errorf("attempt %d: told of %v; want %d", i+1, told, want)
		}
	}
}

// An awaited certificate is none until its file is there; a broken file is told of.
func TestAwaitedCertificate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca, key, now := pkitest.NewAuthority(t, "Test CA"), pkitest.ECDSA(t), time.Now()
		file := filepath.Join(t.TempDir(), "mail.pem")
		certs, err := LoadCerts([]Source{{Files: Files{Cert: file}, Awaited: true}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := certs.Get(&tls.ClientHelloInfo{}); err == nil {
			t.Error("there is a certificate")
		}
		if told := certs.Refresh(now); len(told) != 0 || certs.Pairs(now)[0].Level != LevelAwaited {
			t.Errorf("told of %v, %+v; want nothing new", told, certs.Pairs(now))
		}
		if err := os.WriteFile(file, []byte("hello\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if told := certs.Refresh(now); len(told) != 1 || told[0].Err == nil || certs.Pairs(now)[0].Refused == "" {
			t.Errorf("told of %v; want a file that is refused", told)
		}
		leaf := ca.Issue(t, key, time.Hour, "mail.example.org").Leaf
		pkitest.Replace(t, file, pkitest.CertBlock(leaf), pkitest.KeyBlock(t, key))
		if told := certs.Refresh(now); len(told) != 1 || told[0].Err != nil {
			t.Errorf("told of %v; want the certificate", told)
		}
		if cert, err := certs.Get(&tls.ClientHelloInfo{ServerName: "mail.example.org"}); err != nil || !bytes.Equal(cert.Leaf.Raw, leaf.Raw) {
			t.Errorf("Get() = %v, %v; want what has come", cert, err)
		}
	})
}

// A responder is asked in the clear: whatever somebody says in its place, little of it
// is told.
func TestResponderIsToldOfInFewWords(t *testing.T) {
	for name, head := range map[string]string{
		"status":   "HTTP/1.1 500 \x1b[2J" + strings.Repeat("x", 1<<10),
		"header":   "HTTP/1.1 500 No\r\nX: " + strings.Repeat("x", 4<<20),
		"redirect": "HTTP/1.1 307 No\r\nLocation: /" + strings.Repeat("x", 4<<20),
	} {
		at := strangeResponder(t, func(conn net.Conn) {
			_, _ = conn.Read(make([]byte, 4<<10))
			_, _ = io.WriteString(conn, head+"\r\n\r\n")
		})
		_, err := askResponder(t.Context(), at, []byte("?"))
		if err == nil || len(err.Error()) > 200 || strings.Contains(err.Error(), "\x1b") {
			t.Errorf("%s: %.300q; want a few words", name, err)
		}
	}
}

// A handshake of an ACME server's is one that offers its protocol alone, for a name
// whose challenge is open. All others are those of clients.
func TestChallengeIsForItsServerAlone(t *testing.T) {
	ca, key := pkitest.NewAuthority(t, "Test CA"), pkitest.ECDSA(t)
	cert := ca.Issue(t, key, time.Hour, "mail.example.org")
	var c Challenges
	hello := func(name string, protos ...string) *tls.Config {
		below := new(noted)
		conf := c.Config(&tls.ClientHelloInfo{ServerName: name, SupportedProtos: protos, Conn: below})
		if below.note.Over() != (conf != nil) {
			t.Errorf("%s with %v: a challenge %v, the end of the connection %v", name, protos, conf != nil, below.note.Over())
		}
		return conf
	}
	if hello("mail.example.org", ChallengeProtocol) != nil {
		t.Error("a challenge is answered before there is one")
	}
	c.Answer("mail.example.org", cert)
	c.Answer("Second.example.org", cert)
	for _, tt := range []struct {
		name   string
		protos []string
		want   bool
	}{
		{"mail.example.org", []string{ChallengeProtocol}, true},
		{"MAIL.example.org", []string{ChallengeProtocol}, true},
		{"second.example.org", []string{ChallengeProtocol}, true},
		{"other.example.org", []string{ChallengeProtocol}, false},
		{"mail.example.org", []string{ChallengeProtocol, "http/1.1"}, false},
		{"mail.example.org", []string{"http/1.1"}, false},
		{"mail.example.org", nil, false},
		{"", []string{ChallengeProtocol}, false},
	} {
		if got := hello(tt.name, tt.protos...); (got != nil) != tt.want {
			t.Errorf("%s with %v: %v; want %v", tt.name, tt.protos, got != nil, tt.want)
		}
	}
	c.Clear()
	if hello("mail.example.org", ChallengeProtocol) != nil {
		t.Error("a challenge is answered that is over")
	}
	c.Answer("mail.example.org", cert)
	if c.Config(&tls.ClientHelloInfo{ServerName: "mail.example.org", SupportedProtos: []string{ChallengeProtocol}}) != nil {
		t.Error("a challenge is answered on a connection that cannot be ended")
	}
	client := &tls.ClientHelloInfo{ServerName: "mail.example.org", SupportedProtos: []string{"http/1.1"}}
	if n := testing.AllocsPerRun(100, func() { c.Config(client) }); n > 0 {
		t.Errorf("%v allocations for a client; want none", n)
	}
}

// Whatever a responder says: what is taken is good, in force, and no longer than may
// be; and the same octets are taken again when they come from the disk.
func FuzzStaple(f *testing.F) {
	ca, key := pkitest.NewAuthority(f, "Test CA"), pkitest.ECDSA(f)
	leaf := ca.Issue(f, key, time.Hour, "mail.example.org").Leaf
	now := time.Now()
	form := ocsp.Response{Status: ocsp.Good, SerialNumber: leaf.SerialNumber, ThisUpdate: now.Add(-time.Hour), NextUpdate: now.Add(100 * 365 * 24 * time.Hour)}
	for _, status := range []int{ocsp.Good, ocsp.Revoked, ocsp.Unknown} {
		form.Status, form.RevokedAt = status, now.Add(-time.Hour)
		raw, err := ocsp.CreateResponse(ca.Cert, ca.Cert, form, ca.Key)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
		f.Add(raw[:len(raw)/2])
		f.Add(append(bytes.Clone(raw), 0))
	}
	form.Status, form.Certificate = ocsp.Good, leaf
	raw, err := ocsp.CreateResponse(ca.Cert, leaf, form, key)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add(ocsp.TryLaterErrorResponse)
	f.Fuzz(func(t *testing.T, data []byte) {
		st, err := readStaple(data, leaf, ca.Cert, now)
		if (st == nil) != (err != nil) {
			t.Fatalf("readStaple = %v, %v; want one of them", st, err)
		}
		if err != nil {
			return
		}
		if !bytes.Equal(st.raw, data) || len(st.raw) > mostStaple || !st.until.After(now) || st.from.After(now.Add(clockSlack)) {
			t.Fatalf("a staple of %d octets, from %v until %v", len(st.raw), st.from, st.until)
		}
		if next := st.refresh(now); next.Before(now) {
			t.Fatalf("the responder is asked again at %v, before now", next)
		}
		if _, err := readStaple(st.raw, leaf, ca.Cert, now); err != nil {
			t.Fatalf("not taken again: %v", err)
		}
	})
}
