package tlsterm

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ocsp"
)

const (
	// firstStapleRetry is how long after a failure a responder is asked again, and
	// lastStapleRetry how long that becomes.
	firstStapleRetry = time.Minute
	lastStapleRetry  = time.Hour
)

// stapleSuffix ends the name of the file of a staple.
const stapleSuffix = ".ocsp"

// Staples are what authorities say of certificates of any VIP. Handshakes do not
// see it: Certs takes from it what it shows. Made by NewStaples.
type Staples struct {
	dir    string // where they outlive a restart
	serial atomic.Uint64

	mu    sync.Mutex          // guards the fields below
	kept  map[string]*stapled // by fingerprint of the leaf
	swept bool                // files of certificates that an earlier casbah had are gone
}

// stapled is one certificate that names a responder.
type stapled struct {
	leaf     *x509.Certificate
	now      *staple   // nil: there is none
	next     time.Time // when the responder is asked
	failures int
	err      error
}

// NewStaples returns the staples that are kept in dir, which is made when there is
// one to keep.
func NewStaples(dir string) *Staples {
	return &Staples{dir: dir, kept: make(map[string]*stapled)}
}

// Serial changes with what there is to be shown.
func (s *Staples) Serial() uint64 { return s.serial.Load() }

// Keep asks the responders of certs, as far as they are due, and forgets all other
// certificates. It waits for their answers, and returns what has come of them.
func (s *Staples) Keep(ctx context.Context, certs []*tls.Certificate, now time.Time) []Change {
	var all []Change
	wanted := make(map[string]bool)
	for _, cert := range certs {
		fp := Fingerprint(cert.Leaf)
		if len(cert.Leaf.OCSPServer) == 0 || wanted[fp] {
			continue
		}
		wanted[fp] = true
		if e := s.due(fp, cert, now); e != nil && ctx.Err() == nil {
			all = append(all, s.ask(ctx, fp, cert, e, now)...)
		}
	}
	s.forget(wanted)
	return all
}

// due returns the entry of a certificate if its responder is to be asked now.
func (s *Staples) due(fp string, cert *tls.Certificate, now time.Time) *stapled {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.known(fp, cert, now)
	if e == nil {
		e = &stapled{leaf: cert.Leaf, next: now}
		s.kept[fp] = e
	}
	if e.next.After(now) {
		return nil
	}
	return e
}

// recall has what an earlier casbah has kept of a certificate shown from the first
// handshake on: clients refuse one that demands a staple without, and the responder of
// another one may take its time.
func (s *Staples) recall(cert *tls.Certificate, now time.Time) {
	if len(cert.Leaf.OCSPServer) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known(Fingerprint(cert.Leaf), cert, now)
}

// known returns the entry of a certificate, if need be of what an earlier casbah has
// kept; nil: there is none. The mutex is held.
func (s *Staples) known(fp string, cert *tls.Certificate, now time.Time) *stapled {
	if e := s.kept[fp]; e != nil {
		return e
	}
	st := s.restore(fp, cert, now)
	if st == nil {
		return nil
	}
	e := &stapled{leaf: cert.Leaf, now: st, next: st.refresh(now)}
	s.kept[fp] = e
	s.serial.Add(1)
	return e
}

// restore returns the staple that an earlier casbah has kept, if it holds.
func (s *Staples) restore(fp string, cert *tls.Certificate, now time.Time) *staple {
	raw, err := os.ReadFile(s.file(fp))
	if err != nil {
		return nil
	}
	issuer, err := issuerOf(cert)
	if err != nil {
		return nil
	}
	st, err := readStaple(raw, cert.Leaf, issuer, now)
	if err != nil {
		return nil
	}
	return st
}

// ask asks the responder of one certificate.
func (s *Staples) ask(ctx context.Context, fp string, cert *tls.Certificate, e *stapled, now time.Time) []Change {
	st, err := fetchStaple(ctx, cert, now)
	if ctx.Err() != nil {
		return nil
	}
	var saved error
	if err == nil {
		saved = s.save(fp, st.raw)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	file := cert.Leaf.OCSPServer[0]
	if err != nil {
		e.failures++
		e.next = now.Add(stapleRetry(e.failures))
		same := e.err != nil && e.err.Error() == err.Error()
		e.err = err
		if same {
			return nil
		}
		return []Change{{File: file, Err: fmt.Errorf("no OCSP staple for %s: %w", named(cert), err)}}
	}
	text := ""
	if e.now == nil || e.err != nil {
		text = fmt.Sprintf("OCSP staple for %s, good to %s", named(cert), st.until.Format(time.RFC3339))
	}
	e.now, e.err, e.failures, e.next = st, nil, 0, st.refresh(now)
	s.serial.Add(1)
	var all []Change
	if text != "" {
		all = append(all, Change{File: file, Text: text})
	}
	if saved != nil {
		all = append(all, Change{File: file, Err: fmt.Errorf("the staple cannot be kept for the next start: %w", saved)})
	}
	return all
}

// named says whom a certificate is for.
func named(cert *tls.Certificate) string {
	if all := names(cert); len(all) > 0 {
		return all[0]
	}
	return "certificate " + Fingerprint(cert.Leaf)
}

// refresh returns when the responder is asked again: when half of the time is over,
// and not all at once.
func (st *staple) refresh(now time.Time) time.Time {
	life := st.until.Sub(st.from)
	next := st.from.Add(life/2 + rand.N(life/10+1)) //nolint:gosec // G404: it spreads, and keeps no secret
	if least := now.Add(firstStapleRetry); next.Before(least) {
		return least
	}
	return next
}

// stapleRetry is how long after that many failures in a row a responder is asked
// again.
func stapleRetry(failures int) time.Duration {
	d := firstStapleRetry << min(failures-1, 6)
	d = min(d, lastStapleRetry)
	return d*4/5 + rand.N(d*2/5) //nolint:gosec // G404: likewise
}

// forget drops what is not wanted, with its file.
func (s *Staples) forget(wanted map[string]bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.swept {
		s.swept = true
		s.sweep(wanted)
	}
	for fp := range s.kept {
		if !wanted[fp] {
			delete(s.kept, fp)
			_ = os.Remove(s.file(fp)) // what stays is refused when its time is over
		}
	}
}

// sweep removes the files of certificates that were replaced while casbah did not
// run.
func (s *Staples) sweep(wanted map[string]bool) {
	files, _ := os.ReadDir(s.dir) // no directory, no files
	for _, f := range files {
		if fp, ok := strings.CutSuffix(f.Name(), stapleSuffix); ok && !wanted[fp] {
			_ = os.Remove(s.file(fp))
		}
	}
}

// expire drops what does not hold any more at the time now.
func (s *Staples) expire(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.kept {
		if e.now != nil && !e.now.until.After(now) {
			e.now = nil
			s.serial.Add(1)
		}
	}
}

// dress returns the certificate with its staple, if there is one.
func (s *Staples) dress(cert *tls.Certificate) *tls.Certificate {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.kept[Fingerprint(cert.Leaf)]
	if e == nil || e.now == nil {
		return cert
	}
	dressed := *cert
	dressed.OCSPStaple = e.now.raw
	return &dressed
}

// StapleStatus is what an administrator may ask about the staple of a certificate.
type StapleStatus struct {
	Required  bool      // clients refuse the certificate without
	Responder string    // who is asked; empty: the certificate names nobody
	Until     time.Time // until when it holds; zero: there is none
	Next      time.Time // when the responder is asked; zero: it is not
	Error     string    // why there is none, or no newer one; empty: nothing is wrong
}

// status returns what is known of a certificate's staple; nil where none is wanted.
// A nil s says that stapling is off.
func (s *Staples) status(leaf *x509.Certificate) *StapleStatus {
	st := &StapleStatus{Required: needsStaple(leaf)}
	if len(leaf.OCSPServer) > 0 && s != nil {
		st.Responder = leaf.OCSPServer[0]
	}
	switch {
	case st.Responder == "" && !st.Required:
		return nil
	case s == nil:
		st.Error = "ocsp_stapling is false"
		return st
	case st.Responder == "":
		st.Error = "the certificate names no responder"
		return st
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.kept[Fingerprint(leaf)]
	if e == nil {
		return st
	}
	st.Next = e.next
	if e.now != nil {
		st.Until = e.now.until
	}
	if e.err != nil {
		st.Error = e.err.Error()
	}
	return st
}

func (s *Staples) file(fp string) string { return filepath.Join(s.dir, fp+stapleSuffix) }

// save keeps a staple for the next start. It is read as if a stranger had written
// it, so that a broken one is none.
func (s *Staples) save(fp string, raw []byte) error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	tmp := s.file(fp) + ".tmp"
	if err := os.WriteFile(tmp, raw, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, s.file(fp))
}

// fetchStaple asks the responder that a certificate names.
func fetchStaple(ctx context.Context, cert *tls.Certificate, now time.Time) (*staple, error) {
	issuer, err := issuerOf(cert)
	if err != nil {
		return nil, err
	}
	question, err := ocsp.CreateRequest(cert.Leaf, issuer, nil)
	if err != nil {
		return nil, errors.New("the certificate cannot be asked for")
	}
	raw, err := askResponder(ctx, cert.Leaf.OCSPServer[0], question)
	if err != nil {
		return nil, err
	}
	return readStaple(raw, cert.Leaf, issuer, now)
}
