package acmecert

import (
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"casbah/internal/pki/pkitest"
)

// refuser is an ACME server that knows the account and refuses every order.
type refuser struct {
	*httptest.Server
	mu     sync.Mutex
	calls  map[string]int // by path
	refuse func(w http.ResponseWriter, n int)
	status func(key string) string                           // of the account with that key; nil: valid
	more   func(w http.ResponseWriter, path, payload string) // answers what else is asked for; nil: nothing
}

func newRefuser(t *testing.T, refuse func(w http.ResponseWriter, n int)) *refuser {
	t.Helper()
	r := &refuser{calls: make(map[string]int), refuse: refuse}
	r.Server = httptest.NewTLSServer(r)
	t.Cleanup(r.Close)
	return r
}

func (r *refuser) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	r.calls[req.URL.Path]++
	n := r.calls[req.URL.Path]
	r.mu.Unlock()
	w.Header().Set("Replay-Nonce", fmt.Sprintf("nonce-%d", time.Now().UnixNano()))
	switch req.URL.Path {
	case "/dir":
		_ = json.NewEncoder(w).Encode(map[string]string{"newNonce": r.URL + "/nonce", "newAccount": r.URL + "/account", "newOrder": r.URL + "/order"})
	case "/nonce":
	case "/account":
		w.Header().Set("Location", r.URL+"/account/1")
		status := "valid"
		if r.status != nil {
			status = r.status(keyOf(req))
		}
		_, _ = fmt.Fprintf(w, `{"status": %q}`, status)
	case "/order":
		r.refuse(w, n)
	default:
		if r.more == nil {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_, payload := partsOf(req)
		r.more(w, req.URL.Path, payload)
	}
}

// partsOf returns what a request says of itself, and what it asks.
func partsOf(req *http.Request) (head, payload string) {
	var body struct{ Protected, Payload string }
	_ = json.NewDecoder(req.Body).Decode(&body)
	first, _ := base64.RawURLEncoding.DecodeString(body.Protected)
	second, _ := base64.RawURLEncoding.DecodeString(body.Payload)
	return string(first), string(second)
}

// keyOf returns the key that a request names for an account.
func keyOf(req *http.Request) string {
	text, _ := partsOf(req)
	var head struct{ JWK json.RawMessage }
	_ = json.Unmarshal([]byte(text), &head)
	return string(head.JWK)
}

func (r *refuser) count(path string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.calls[path]
}

// problem writes what an ACME server refuses by.
func problem(w http.ResponseWriter, status int, kind, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"type": "urn:ietf:params:acme:error:%s", "detail": %q, "status": %d}`, kind, detail, status)
}

// solver answers nothing.
type solver struct{ cleared int }

func (*solver) AnswerHTTP(string, string)          {}
func (*solver) AnswerTLS(string, *tls.Certificate) {}
func (s *solver) Clear()                           { s.cleared++ }

// config is an account at the server.
func (r *refuser) config(t *testing.T) *Config {
	t.Helper()
	return &Config{
		Directory: r.URL + "/dir", Challenge: HTTP01, StateDir: t.TempDir(),
		CA: pkitest.Write(t, "ca.pem", pkitest.CertBlock(r.Certificate())),
	}
}

// attempt has a manager try once, and returns what came of it.
func attempt(t *testing.T, conf *Config) (*Manager, Told) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	m := NewManager("test", new(solver))
	m.Want(conf, []Spec{NewSpec([]string{"mail.example.org"}, ECDSA)}, time.Now())
	var told Told
	m.Run(ctx, func(got Told) { told = got; cancel() })
	if told.Err == nil {
		t.Fatal("nothing was told of")
	}
	return m, told
}

// A server that limits is left alone for as long as it says, within and after the
// attempt, and a reload changes nothing about that.
func TestRateLimitIsHonoured(t *testing.T) {
	r := newRefuser(t, func(w http.ResponseWriter, _ int) {
		w.Header().Set("Retry-After", "7200")
		problem(w, http.StatusTooManyRequests, "rateLimited", "too many new orders recently")
	})
	conf := r.config(t)
	m, told := attempt(t, conf)
	if n := r.count("/order"); n != 1 {
		t.Errorf("%d orders; want one", n)
	}
	if !strings.Contains(told.Err.Error(), "rateLimited") || !strings.Contains(told.Err.Error(), "too many new orders recently") {
		t.Errorf("told of %v; want the words of the server", told.Err)
	}
	if wait := time.Until(told.Again); wait < 119*time.Minute || wait > 121*time.Minute {
		t.Errorf("again in %v; want two hours", wait)
	}
	st, ok := m.Status(told.File)
	if !ok || st.Failures != 1 || !strings.Contains(st.Error, "rateLimited") || !st.Next.Equal(told.Again) || st.Directory != conf.Directory {
		t.Errorf("status %+v", st)
	}
	m.Want(conf, []Spec{NewSpec([]string{"mail.example.org"}, ECDSA)}, time.Now())
	if st, _ := m.Status(told.File); !st.Next.Equal(told.Again) {
		t.Errorf("after a reload it is asked at %v; want %v", st.Next, told.Again)
	}
}

// A nonce that is refused is replaced at once; what fails otherwise is tried again
// later, or at once when the configuration is read again.
func TestBadNonceIsReplaced(t *testing.T) {
	r := newRefuser(t, func(w http.ResponseWriter, n int) {
		if n <= 4 {
			problem(w, http.StatusBadRequest, "badNonce", "used up")
			return
		}
		problem(w, http.StatusForbidden, "unauthorized", "not you")
	})
	conf := r.config(t)
	m, told := attempt(t, conf)
	if n := r.count("/order"); n != 5 || !strings.Contains(told.Err.Error(), "not you") {
		t.Errorf("%d orders, told of %v; want five, and the last answer", n, told.Err)
	}
	if wait := time.Until(told.Again); wait < firstRetry/2 || wait > 2*firstRetry {
		t.Errorf("again in %v; want about %v", wait, firstRetry)
	}
	m.Want(conf, []Spec{NewSpec([]string{"mail.example.org"}, ECDSA)}, time.Now())
	if st, _ := m.Status(told.File); st.Next.After(time.Now()) {
		t.Errorf("after a reload it is asked at %v; want now", st.Next)
	}
	key := filepath.Join(conf.Dir(), accountFile)
	info, err := os.Stat(key)
	if err != nil || info.Mode() != 0o600 {
		t.Fatalf("the account's key: %v, %v; want one that its owner alone reads", info, err)
	}
	before, _ := os.ReadFile(key)
	attempt(t, conf)
	if after, _ := os.ReadFile(key); string(after) != string(before) {
		t.Error("the account has another key")
	}
}

// Who removes the key of an account that the server has closed, as he is told to, gets
// another account, without a restart.
func TestRemovedAccountKeyIsReplaced(t *testing.T) {
	r := newRefuser(t, func(w http.ResponseWriter, _ int) { problem(w, http.StatusForbidden, "unauthorized", "not you") })
	closed := ""
	r.status = func(key string) string {
		if closed == "" {
			closed = key
		}
		if key == closed {
			return "deactivated"
		}
		return "valid"
	}
	conf, specs, m := r.config(t), []Spec{NewSpec([]string{"mail.example.org"}, ECDSA)}, NewManager("test", new(solver))
	m.Want(conf, specs, time.Now())
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var errs []error
	m.Run(ctx, func(got Told) {
		if errs = append(errs, got.Err); len(errs) == 2 {
			cancel()
			return
		}
		if err := os.Remove(filepath.Join(conf.Dir(), accountFile)); err != nil {
			t.Error(err)
		}
		m.Want(conf, specs, time.Now())
	})
	if len(errs) != 2 || !strings.Contains(errs[0].Error(), "deactivated; remove ") || !strings.Contains(errs[1].Error(), "not you") {
		t.Errorf("told of %v; want the closed account, and then the order of another one", errs)
	}
}

// Who reloads while an order fails has it tried again at once, as the order was for
// what was configured before.
func TestReloadDuringAnOrder(t *testing.T) {
	var m *Manager
	var conf *Config
	specs := []Spec{NewSpec([]string{"mail.example.org"}, ECDSA)}
	r := newRefuser(t, func(w http.ResponseWriter, n int) {
		if n == 1 {
			m.Want(conf, specs, time.Now())
		}
		problem(w, http.StatusForbidden, "unauthorized", "not you")
	})
	conf, m = r.config(t), NewManager("test", new(solver))
	m.Want(conf, specs, time.Now())
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var waits []time.Duration
	m.Run(ctx, func(got Told) {
		if waits = append(waits, time.Until(got.Again)); len(waits) == 2 {
			cancel()
		}
	})
	if len(waits) != 2 || waits[0] > 0 || waits[1] < time.Minute {
		t.Errorf("tried again in %v; want at once, and then after a pause", waits)
	}
}

// public is the key of who asks for a certificate, as far as others know it.
type public struct {
	crypto.Signer
	key crypto.PublicKey
}

func (p public) Public() crypto.PublicKey { return p.key }

// newIssuer is a server that gives out certificates to whoever asks.
func newIssuer(t *testing.T) *refuser {
	t.Helper()
	ca := pkitest.NewAuthority(t, "Test CA")
	var chain []byte
	var r *refuser
	r = newRefuser(t, func(w http.ResponseWriter, _ int) {
		w.Header().Set("Location", r.URL+"/order/1")
		w.WriteHeader(http.StatusCreated)
		_, _ = fmt.Fprintf(w, `{"status": "ready", "finalize": %q}`, r.URL+"/finalize")
	})
	r.more = func(w http.ResponseWriter, path, payload string) {
		switch path {
		case "/order/1":
			_, _ = fmt.Fprintf(w, `{"status": "ready", "finalize": %q}`, r.URL+"/finalize")
		case "/finalize":
			var asked struct{ CSR string }
			_ = json.Unmarshal([]byte(payload), &asked)
			der, _ := base64.RawURLEncoding.DecodeString(asked.CSR)
			csr, err := x509.ParseCertificateRequest(der)
			if err != nil {
				t.Error(err)
				return
			}
			leaf := ca.Issue(t, public{key: csr.PublicKey}, 24*time.Hour, csr.DNSNames...).Leaf
			chain = append(pem.EncodeToMemory(pkitest.CertBlock(leaf)), pem.EncodeToMemory(pkitest.CertBlock(ca.Cert))...)
			_, _ = fmt.Fprintf(w, `{"status": "valid", "certificate": %q}`, r.URL+"/certificate")
		case "/certificate":
			_, _ = w.Write(chain)
		}
	}
	return r
}

// What has come and cannot be written is written as soon as it can be, without another
// order: a disk that is full for some hours would use up what a server gives in a week.
func TestWhatCannotBeWrittenIsNotAskedForAgain(t *testing.T) {
	r := newIssuer(t)
	conf, specs, m := r.config(t), []Spec{NewSpec([]string{"mail.example.org"}, ECDSA)}, NewManager("test", new(solver))
	file := conf.File(&specs[0])
	if err := os.MkdirAll(filepath.Join(file, "in-the-way"), 0o700); err != nil {
		t.Fatal(err)
	}
	m.Want(conf, specs, time.Now())
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var told []Told
	m.Run(ctx, func(got Told) {
		switch told = append(told, got); len(told) {
		case 1:
			m.Want(conf, specs, time.Now())
		case 2:
			if err := os.RemoveAll(file); err != nil {
				t.Error(err)
			}
			m.Want(conf, specs, time.Now())
		default:
			cancel()
		}
	})
	if len(told) != 3 || told[0].Err == nil || told[1].Err == nil || told[2].Err != nil {
		t.Fatalf("told of %v; want two failures, and then the certificate", told)
	}
	if n := r.count("/order"); n != 1 {
		t.Errorf("%d orders; want one", n)
	}
	if _, err := tls.LoadX509KeyPair(file, file); err != nil || told[2].Again.Before(time.Now().Add(time.Hour)) {
		t.Errorf("the file: %v; the next one is asked for at %v", err, told[2].Again)
	}
}

// Whoever answers in the place of the server, and however much: little of it is read,
// and less told, in one line.
func TestAnswersAreBounded(t *testing.T) {
	const most = 64 << 20
	var sent atomic.Int64
	r := newRefuser(t, func(w http.ResponseWriter, _ int) {
		w.WriteHeader(http.StatusForbidden)
		page := []byte(strings.Repeat("<p>\x1b[2J no such page\r\n", 1000))
		for sent.Load() < most {
			n, err := w.Write(page)
			if sent.Add(int64(n)); err != nil {
				return
			}
		}
	})
	m, told := attempt(t, r.config(t))
	if n := sent.Load(); n >= most {
		t.Errorf("%d octets of an answer are read", n)
	}
	st, _ := m.Status(told.File)
	for _, text := range []string{told.Err.Error(), st.Error} {
		if len(text) > 2*mostSaid || !strings.Contains(text, "no such page <p>") || strings.ContainsAny(text, "\r\n\x1b") {
			t.Errorf("told of %d octets: %.100q", len(text), text)
		}
	}
}

// A key that cannot be read is neither replaced nor quoted.
func TestBrokenAccountKey(t *testing.T) {
	r := newRefuser(t, func(w http.ResponseWriter, _ int) { problem(w, http.StatusForbidden, "unauthorized", "not you") })
	for _, text := range []string{"", "hello\n", "-----BEGIN EC PRIVATE KEY-----\nc2VjcmV0\n-----END EC PRIVATE KEY-----\n"} {
		conf := r.config(t)
		if err := os.MkdirAll(conf.Dir(), 0o700); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(conf.Dir(), accountFile)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, told := attempt(t, conf)
		if !strings.Contains(told.Err.Error(), "remove the file") || strings.Contains(told.Err.Error(), "c2Vjcm") {
			t.Errorf("told of %v", told.Err)
		}
		if after, _ := os.ReadFile(file); string(after) != text {
			t.Error("the file has changed")
		}
	}
}

// Pauses grow to six hours, and differ from node to node.
func TestPausesGrow(t *testing.T) {
	inFirstHour, at := 0, time.Duration(0)
	for n := 1; n < 50; n++ {
		d := pause(n)
		if d < firstRetry*4/5 || d > lastRetry*6/5 {
			t.Errorf("pause %d is %v", n, d)
		}
		if at += d; at < time.Hour {
			inFirstHour++
		}
		if n > 10 && d < lastRetry*4/5 {
			t.Errorf("pause %d is %v; want one near %v", n, d, lastRetry)
		}
	}
	if inFirstHour > 4 {
		t.Errorf("%d attempts again in the first hour; Let's Encrypt allows five in all", inFirstHour)
	}
}

// A certificate is renewed before a third of its time is left, each at a moment of
// its own; one that is not what is wanted is asked for now.
func TestDue(t *testing.T) {
	ca, key, rsaKey := pkitest.NewAuthority(t, "Test CA"), pkitest.ECDSA(t), pkitest.RSA(t)
	from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	to, now := from.Add(90*24*time.Hour), from.Add(time.Hour)
	seen := make(map[time.Time]bool)
	for range 10 {
		leaf := ca.IssueFrom(t, key, from, to, "mail.example.org").Leaf
		file := pkitest.Write(t, "c.pem", pkitest.CertBlock(leaf), pkitest.KeyBlock(t, key))
		spec := NewSpec([]string{"mail.example.org"}, ECDSA)
		at := due(file, &spec, now)
		if life := at.Sub(from); life < 55*24*time.Hour || life > 60*24*time.Hour {
			t.Errorf("renewed after %v of 90 days", life)
		}
		if !at.Equal(due(file, &spec, now.Add(time.Hour))) {
			t.Error("the moment is another one each time")
		}
		seen[at] = true
	}
	if len(seen) < 5 {
		t.Errorf("ten certificates are renewed at %d moments", len(seen))
	}
	text := string(pem.EncodeToMemory(pkitest.CertBlock(ca.Issue(t, key, time.Hour, "mail.example.org").Leaf))) + string(pem.EncodeToMemory(pkitest.KeyBlock(t, key)))
	whole := []string{pkitest.Write(t, "a.pem", pkitest.CertBlock(ca.IssueFrom(t, rsaKey, from, to, "mail.example.org").Leaf), pkitest.KeyBlock(t, rsaKey))}
	for _, tt := range []struct {
		name, file string
		spec       Spec
	}{
		{"missing", filepath.Join(t.TempDir(), "none.pem"), NewSpec([]string{"mail.example.org"}, ECDSA)},
		{"no-key", pkitest.Write(t, "b.pem", pkitest.CertBlock(ca.Issue(t, key, time.Hour, "mail.example.org").Leaf)), NewSpec([]string{"mail.example.org"}, ECDSA)},
		{"half-a-key", pkitest.WriteText(t, "e.pem", text[:len(text)-60]), NewSpec([]string{"mail.example.org"}, ECDSA)},
		{"broken", pkitest.WriteText(t, "d.pem", "hello\n"), NewSpec([]string{"mail.example.org"}, ECDSA)},
		{"another-kind", whole[0], NewSpec([]string{"mail.example.org"}, ECDSA)},
		{"another-name", whole[0], NewSpec([]string{"mail.example.org", "b.example.org"}, RSA)},
	} {
		if at := due(tt.file, &tt.spec, now); !at.Equal(now) {
			t.Errorf("%s: due at %v; want now", tt.name, at)
		}
	}
	spec := NewSpec([]string{"mail.example.org"}, RSA)
	if at := due(whole[0], &spec, now); !at.After(now) {
		t.Errorf("a good one is due at %v", at)
	}
}

// What a server sends is looked at before it replaces anything.
func TestFileIsWhatWasAskedFor(t *testing.T) {
	ca, other := pkitest.NewAuthority(t, "Test CA"), pkitest.ECDSA(t)
	spec := NewSpec([]string{"mail.example.org", "z.example.org", "a.example.org"}, ECDSA)
	if got := strings.Join(spec.Names, " "); got != "mail.example.org a.example.org z.example.org" {
		t.Errorf("names %s; want the first in its place", got)
	}
	key, csr, err := request(&spec)
	if err != nil || len(csr) == 0 {
		t.Fatal(err)
	}
	good := ca.Issue(t, key, time.Hour, spec.Names...).Leaf.Raw
	for _, tt := range []struct {
		name  string
		chain [][]byte
		want  string
	}{
		{"good", [][]byte{good, ca.Cert.Raw}, ""},
		{"none", nil, "has sent none"},
		{"garbage", [][]byte{[]byte("hello")}, "certificate: "},
		{"garbage-behind", [][]byte{good, []byte("hello")}, "certificate: "},
		{"name-missing", [][]byte{ca.Issue(t, key, time.Hour, "mail.example.org").Leaf.Raw}, "example.org"},
		{"another-key", [][]byte{ca.Issue(t, other, time.Hour, spec.Names...).Leaf.Raw}, "another key"},
	} {
		text, err := file(&spec, key, tt.chain)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v; want %q", tt.name, err, tt.want)
		}
		if err == nil {
			path := pkitest.WriteText(t, "c.pem", string(text))
			if _, err := tls.LoadX509KeyPair(path, path); err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
		}
	}
}

// The key of a binding is read in either alphabet of base64, and not quoted.
func TestBindingKey(t *testing.T) {
	for _, tt := range []struct {
		text string
		ok   bool
	}{
		{"MDEyMzQ1Njc4OWFiY2RlZg==\n", true},
		{"MDEyMzQ1Njc4OWFiY2RlZg", true},
		{strings.Repeat("_-8_", 8), true},
		{strings.Repeat("+/8+", 8), true},
		{"c2hvcnQ=", false},
		{"not base64 at all, is it", false},
		{"", false},
	} {
		key, err := BindingKey(pkitest.WriteText(t, "eab.key", tt.text))
		if (err == nil) != tt.ok || (key == nil) == tt.ok || err != nil && tt.text != "" && strings.Contains(err.Error(), strings.TrimSpace(tt.text)) {
			t.Errorf("BindingKey(%q) = %v, %v; want %v", tt.text, key, err, tt.ok)
		}
	}
	if _, err := BindingKey(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that lacks: %v", err)
	}
}
