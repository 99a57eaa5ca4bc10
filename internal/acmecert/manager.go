package acmecert

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
)

const (
	// firstRetry is how long after a failure is tried again, and lastRetry how long
	// it becomes: three times as long after each. That is five in the first hour, which
	// is what Let's Encrypt allows for one name.
	firstRetry = 2 * time.Minute
	lastRetry  = 6 * time.Hour

	// mostSaid is how much of an error is told, in octets: whoever answers in the place
	// of the server may say what he likes.
	mostSaid = 1000

	// longestWait is the longest that a server is left alone because it wants to be.
	longestWait = 7 * 24 * time.Hour
)

// Told is what became of an attempt.
type Told struct {
	File  string
	Names []string
	Again time.Time // when is tried again; with Err
	Err   error     // nil: the file holds a new certificate
}

// Manager keeps the certificates that are wanted: it gets those that lack, and
// renews the others when two thirds of their time are over. One order is open at a
// time. Made by NewManager.
type Manager struct {
	version string
	solver  Solver
	wake    chan struct{}

	mu   sync.Mutex // guards the fields below
	conf Config
	jobs []*job
}

// job is one certificate that is kept.
type job struct {
	spec     Spec
	file     string
	next     time.Time // when it is asked for
	failures int
	err      error
	busy     bool
	again    bool   // the configuration has changed while it was asked for
	unsaved  []byte // what has come and could not be written; Run's own
}

// NewManager returns a manager that wants nothing yet.
func NewManager(version string, solver Solver) *Manager {
	return &Manager{version: version, solver: solver, wake: make(chan struct{}, 1)}
}

// Want says which certificates are wanted from now on. Those that failed are tried
// at once: who changes the configuration has done something about it. A server that
// wanted to be left alone is.
func (m *Manager) Want(conf *Config, specs []Spec, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	before := make(map[string]*job)
	for _, j := range m.jobs {
		before[j.file] = j
	}
	m.conf, m.jobs = *conf, nil
	for i := range specs {
		file := conf.File(&specs[i])
		j := before[file]
		if j == nil {
			j = &job{spec: specs[i], file: file}
		}
		j.again = j.busy
		if j.failures == 0 || retryAfter(j.err, now) == 0 {
			j.next = due(file, &specs[i], now)
		}
		before[file] = j
		if !slices.Contains(m.jobs, j) {
			m.jobs = append(m.jobs, j)
		}
	}
	select {
	case m.wake <- struct{}{}:
	default: // it is awake
	}
}

// Status returns what is known of the certificate in a file; false if it is none
// of the manager's.
func (m *Manager) Status(file string) (Status, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, j := range m.jobs {
		if j.file == file {
			s := Status{Names: j.spec.Names, Directory: m.conf.Directory, Challenge: m.conf.Challenge, Next: j.next, Failures: j.failures}
			if j.busy {
				s.Next = time.Time{}
			}
			if j.err != nil {
				s.Error = brief(j.err).Error()
			}
			return s, true
		}
	}
	return Status{}, false
}

// Run gets and renews certificates until ctx ends, and tells of each attempt.
func (m *Manager) Run(ctx context.Context, tell func(Told)) {
	var account *account
	for {
		j, conf, wait := m.nextJob(time.Now())
		if wait > 0 {
			if !m.sleep(ctx, wait) {
				return
			}
			continue
		}
		var err error
		if account == nil || account.conf != conf {
			account, err = openAccount(&conf, m.version)
		}
		if err == nil && j.unsaved == nil {
			j.unsaved, err = account.obtain(ctx, &j.spec, m.solver)
		}
		if err == nil {
			err = j.save()
		}
		if err != nil {
			account = nil // its files are read again: who mends something may replace them
		}
		if ctx.Err() != nil {
			return
		}
		tell(m.done(j, err, time.Now()))
	}
}

// save writes what has come. Where it cannot, as on a full disk, the next attempt does,
// without another order: servers count those.
func (j *job) save() error {
	err := replace(j.file, j.unsaved)
	if err == nil {
		j.unsaved = nil
	}
	return err
}

// nextJob returns what is to be done now, and else how long there is nothing.
func (m *Manager) nextJob(now time.Time) (*job, Config, time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	wait := time.Hour // clocks are set
	for _, j := range m.jobs {
		left := j.next.Sub(now)
		if left <= 0 {
			j.busy = true
			return j, m.conf, 0
		}
		wait = min(wait, left)
	}
	return nil, Config{}, wait
}

// sleep waits, unless something else is wanted; false: ctx has ended.
func (m *Manager) sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
	case <-m.wake:
	}
	return true
}

// done notes what became of an attempt.
func (m *Manager) done(j *job, err error, now time.Time) Told {
	m.mu.Lock()
	defer m.mu.Unlock()
	again := j.again
	j.busy, j.again, j.err = false, false, err
	if err == nil {
		j.failures, j.next = 0, due(j.file, &j.spec, now)
		if !j.next.After(now) { // such as one that has expired: nobody asks for another one at once
			err = fmt.Errorf("the certificate that has come is to be renewed already")
			j.err = err
		}
	}
	if err != nil {
		j.failures++
		wait := pause(j.failures)
		if again {
			wait = 0
		}
		j.next = now.Add(max(wait, min(retryAfter(err, now), longestWait)))
	}
	return Told{File: j.file, Names: j.spec.Names, Again: j.next, Err: brief(err)}
}

// brief returns err as it is told: in one line that is not long, and as it is where it
// is so.
func brief(err error) error {
	if err == nil {
		return nil
	}
	whole := err.Error()
	text := strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, whole[:min(len(whole), mostSaid)])
	if text = strings.Join(strings.Fields(text), " "); text == whole {
		return err
	}
	if len(whole) > mostSaid {
		text += " …"
	}
	return errors.New(text)
}

// pause is how long after that many failures in a row is tried again. Nodes that
// failed together do not come back together.
func pause(failures int) time.Duration {
	d := firstRetry
	for range failures - 1 {
		d = min(3*d, lastRetry)
	}
	return d*4/5 + rand.N(d*2/5) //nolint:gosec // G404: it spreads, and keeps no secret
}

// due returns when the certificate in a file is to be renewed; now where it lacks,
// or is another one than is wanted. The last twentieth before that is its own, so
// that certificates that came together are not renewed together.
func due(file string, s *Spec, now time.Time) time.Time {
	leaf := kept(file)
	if leaf == nil || !covers(leaf, s) {
		return now
	}
	life := leaf.NotAfter.Sub(leaf.NotBefore)
	sum := sha256.Sum256(leaf.Raw)
	early := time.Duration(float64(life) / 20 * float64(binary.BigEndian.Uint32(sum[:])) / (1 << 32))
	return leaf.NotBefore.Add(life*2/3 - early)
}

// kept returns the certificate in a file that has its key, too, or nil.
func kept(file string) *x509.Certificate {
	text, err := os.ReadFile(file) //nolint:gosec // G304: the state directory is configuration
	if err != nil {
		return nil
	}
	pair, err := tls.X509KeyPair(text, text)
	if err != nil {
		return nil
	}
	return pair.Leaf
}

// covers reports whether a certificate is the one that is wanted.
func covers(leaf *x509.Certificate, s *Spec) bool {
	for _, name := range s.Names {
		if leaf.VerifyHostname(name) != nil {
			return false
		}
	}
	return (leaf.PublicKeyAlgorithm == x509.RSA) == (s.Key == RSA)
}
