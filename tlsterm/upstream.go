package tlsterm

import (
	"cmp"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"casbah/internal/pki"
)

// sessions is how many sessions one upstream config remembers for resumption.
const sessions = 64

// Upstream says how casbah speaks TLS to the servers of a pool.
type Upstream struct {
	SkipVerify bool     // any certificate will do
	CA         string   // PEM file of the authorities to trust; empty: those of the system
	Pins       [][]byte // SHA-256 of the certificates to trust, whoever issued them; none: CA says
	Policy     Policy
	OldServers bool  // the servers are of the time of TLS 1.0: the ClientHello is kept short
	Client     Files // the certificate that casbah shows; Cert empty: none
}

// Trust is an Upstream with what stands in its files. The servers of a pool share
// it.
type Trust struct {
	u      Upstream
	roots  trustedRoots
	client *pair // nil: none
}

// trustedRoots are the authorities of a file.
type trustedRoots struct {
	watched
	pool atomic.Pointer[x509.CertPool]
	turn atomic.Int64 // counts how often they changed
}

// LoadTrust reads the files of u.
func LoadTrust(u Upstream) (*Trust, error) {
	t := &Trust{u: u, roots: trustedRoots{watched: watched{file: u.CA}}}
	if u.CA != "" {
		if err := t.roots.load(t.roots.read); err != nil {
			return nil, fmt.Errorf("ca: %w", err)
		}
	}
	if u.Client.Cert != "" {
		var err error
		if t.client, err = loadPair(u.Client); err != nil {
			return nil, fmt.Errorf("client %w", err)
		}
	}
	return t, nil
}

func (r *trustedRoots) read() (reading, error) {
	data, p := pki.Read(r.file)
	if p != nil {
		return reading{}, fmt.Errorf("want %s, got %s", p.Want, p.Got)
	}
	return reading{sha256.Sum256(data), func() (string, error) {
		all, p := pki.Certificates(r.file, data)
		if p != nil {
			return "", fmt.Errorf("want %s, got %s", p.Want, p.Got)
		}
		pool := x509.NewCertPool()
		for _, c := range all {
			pool.AddCert(c)
		}
		r.pool.Store(pool)
		r.turn.Add(1) // behind the pool: what was verified meanwhile counts as of before
		return fmt.Sprintf("in force, with %d authorities", len(all)), nil
	}}, nil
}

// Refresh reads the files again. They hold for connections that follow. One Refresh
// runs at a time.
func (t *Trust) Refresh(now time.Time) []Change {
	var all []Change
	if t.u.CA != "" {
		all = t.roots.look(t.roots.read)
	}
	if t.client != nil {
		all = append(all, t.client.refresh(now)...)
	}
	return all
}

// Config returns the configuration of connections to one server. Name is the name
// or address in its certificate, sent as SNI if a name. Each server needs its own:
// sessions are remembered by name, and a ticket of one server is of no use to
// another that goes by the same name.
func (t *Trust) Config(name string) (*tls.Config, error) {
	u := &t.u
	if name == "" && !u.SkipVerify && len(u.Pins) == 0 {
		return nil, errors.New("server name: want the name in the server's certificate, got none")
	}
	c := &tls.Config{
		ServerName:         name,
		MinVersion:         cmp.Or(u.Policy.Min, tls.VersionTLS12),
		MaxVersion:         u.Policy.Max,
		CipherSuites:       u.Policy.Ciphers,
		ClientSessionCache: tls.NewLRUClientSessionCache(sessions),
		// As in ServerConfig: full records from the first.
		DynamicRecordSizingDisabled: true,
		InsecureSkipVerify:          u.SkipVerify, //nolint:gosec // G402: what the operator wrote; the default verifies
	}
	if u.OldServers {
		c.CurvePreferences = shortHello
	}
	switch {
	case len(u.Pins) > 0:
		c.InsecureSkipVerify, c.VerifyConnection = true, t.pinned
	case u.CA != "" && !u.SkipVerify:
		// Verified below, by what stands in the file by then.
		i := &issuer{ClientSessionCache: c.ClientSessionCache, roots: &t.roots, name: name}
		c.InsecureSkipVerify, c.VerifyConnection, c.ClientSessionCache = true, i.verify, i
	}
	if t.client != nil {
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return t.client.cert.Load(), nil }
	}
	return c, nil
}

var errNoPeer = errors.New("the server shows no certificate")

// pinned accepts a server by its certificate alone.
func (t *Trust) pinned(s tls.ConnectionState) error {
	if len(s.PeerCertificates) == 0 {
		return errNoPeer
	}
	sum := sha256.Sum256(s.PeerCertificates[0].Raw)
	if slices.ContainsFunc(t.u.Pins, func(pin []byte) bool { return string(pin) == string(sum[:]) }) {
		return nil
	}
	return fmt.Errorf("the certificate of the server is not the pinned one: its SHA-256 is %s", hex.EncodeToString(sum[:]))
}

// issuer verifies one server against the authorities of a file, and remembers its
// sessions as long as that stays.
type issuer struct {
	tls.ClientSessionCache
	roots *trustedRoots
	name  string
	last  atomic.Pointer[verified]
	turn  atomic.Int64 // of the sessions that are remembered
}

// Get implements tls.ClientSessionCache. A session that began under other authorities
// is forgotten: what the server showed then may not hold now, and what it would show
// today may.
func (i *issuer) Get(key string) (*tls.ClientSessionState, bool) {
	if turn := i.roots.turn.Load(); i.turn.Swap(turn) != turn {
		i.Put(key, nil)
		return nil, false
	}
	return i.ClientSessionCache.Get(key)
}

// verified is a certificate that held under the authorities of a turn.
type verified struct {
	leaf *x509.Certificate
	turn int64
}

// verify verifies as crypto/tls does, against the authorities in force. A session
// that is resumed is worth what its certificate is now: it is verified once more,
// unless it is the one that held last.
func (i *issuer) verify(s tls.ConnectionState) error {
	if len(s.PeerCertificates) == 0 {
		return errNoPeer
	}
	leaf, turn := s.PeerCertificates[0], i.roots.turn.Load()
	if v := i.last.Load(); s.DidResume && v != nil && v.turn == turn && v.leaf.Equal(leaf) && time.Now().Before(leaf.NotAfter) {
		return nil // common case
	}
	o := x509.VerifyOptions{Roots: i.roots.pool.Load(), DNSName: i.name, Intermediates: x509.NewCertPool()}
	for _, c := range s.PeerCertificates[1:] {
		o.Intermediates.AddCert(c)
	}
	if _, err := leaf.Verify(o); err != nil {
		return &tls.CertificateVerificationError{UnverifiedCertificates: s.PeerCertificates, Err: err}
	}
	i.last.Store(&verified{leaf, turn})
	return nil
}
