// Package lab simulates an array of Exchange client access servers (CAS) in
// the process: N HTTP servers on loopback ports that behave, towards real
// clients, as Exchange 2010 and 2016 do where a balancer could go wrong. What a
// client did on one CAS (a forms login, an NTLM handshake, a remote shell, a
// MAPI context) means nothing to another, so a client that is sent to the wrong
// one notices. Mail arrives for all of them at once, as from mailbox servers
// behind the array.
//
// Faults can be switched while the array runs, for one protocol or a whole
// server, by methods or by Control. Nothing here is meant to face a network:
// the passwords are known and the cryptography (MD4, RC4) is the protocol's.
//
// Not implemented: Kerberos, NTLMv1, and anything a mailbox holds beyond the count of its messages.
package lab

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"
)

// Options says how an array is built. The zero value is an array of three CAS
// on free ports.
type Options struct {
	Servers      int           // how many CAS; 3 if zero
	Host         string        // address that all listen on; 127.0.0.1 if empty
	Hosts        []string      // address of each CAS, where they are to differ; empty: Host for all
	Port         int           // of the first CAS, the others count up, then those for TLS, mail and the endpoint mapper; 0: any free ports
	TLS          bool          // whether each CAS also listens for HTTPS
	Mail         bool          // whether each CAS also serves POP3, IMAP4 and SMTP, with TLS in TLS too
	RPC          bool          // whether each CAS also serves RPC over TCP: endpoint mapper, RPC Client Access and address book
	RPCPorts     [3]int        // their ports, on every CAS; 0: for the mapper a free one, for the others another one after each Start
	Names        []string      // host names in the certificate, besides those that Certificate always puts there
	Interval     time.Duration // between RTS pings, streaming events and keep-alive chunks; 1s if zero
	Hold         time.Duration // longest time that a long poll is held, whatever it asks for; 59m if zero
	AnonymousRPC bool          // whether RPC over HTTP asks for no credentials
	Protected    bool          // whether NTLM logins must be bound to TLS (Extended Protection), as the setup of Exchange 2019 CU14 has it
	CertFile     string        // PEM file of the certificate for TLS, and KeyFile of its key; empty: one is made
	KeyFile      string
	Mailboxes    bool // whether each mailbox is on one CAS and answers say on which, as since Exchange 2013
	OABBytes     int  // size of the offline address book; 1 MiB if zero
}

// Array is a running array of simulated CAS.
type Array struct {
	options Options
	users   *Users
	mail    *mailstore
	beats   beats
	homes   homes
	cas     []*CAS
	cert    tls.Certificate // zero without TLS
	certPEM []byte
}

// NewArray starts an array. The caller must Close it.
func NewArray(o Options) (*Array, error) {
	o = o.withDefaults()
	a := &Array{options: o, users: NewUsers(), mail: newMailstore()}
	if o.TLS {
		if err := a.makeCertificate(); err != nil {
			return nil, fmt.Errorf("lab: %w", err)
		}
	}
	for i := range o.Servers {
		s := newCAS(a, i)
		a.cas = append(a.cas, s)
	}
	for _, s := range a.cas {
		if err := s.Start(); err != nil {
			a.Close()
			return nil, fmt.Errorf("lab: %w", err)
		}
	}
	return a, nil
}

func (o Options) withDefaults() Options {
	if o.Servers <= 0 {
		o.Servers = 3
	}
	if o.Host == "" {
		o.Host = "127.0.0.1"
	}
	if o.Interval <= 0 {
		o.Interval = time.Second
	}
	if o.Hold <= 0 {
		o.Hold = 59 * time.Minute
	}
	if o.OABBytes <= 0 {
		o.OABBytes = 1 << 20
	}
	return o
}

// listenAddress returns where the i-th CAS listens at first on a kind of port: 0
// is HTTP, 1 HTTPS, those of mail follow.
func (o Options) listenAddress(i, kind int) string {
	port := 0
	if o.Port != 0 {
		port = o.Port + kind*o.Servers + i
	}
	return net.JoinHostPort(o.host(i), strconv.Itoa(port))
}

// host returns the address of the i-th CAS.
func (o Options) host(i int) string {
	if i < len(o.Hosts) {
		return o.Hosts[i]
	}
	return o.Host
}

func (a *Array) makeCertificate() error {
	certPEM, keyPEM, err := a.options.certificate()
	if err != nil {
		return err
	}
	a.certPEM = certPEM
	a.cert, err = tls.X509KeyPair(certPEM, keyPEM)
	return err
}

// certificate returns what stands in the files, or else a new one.
func (o Options) certificate() (certPEM, keyPEM []byte, err error) {
	if o.CertFile == "" {
		return newCertificate(o.Names)
	}
	if certPEM, err = os.ReadFile(o.CertFile); err == nil {
		keyPEM, err = os.ReadFile(o.KeyFile)
	}
	return certPEM, keyPEM, err
}

// Servers returns the CAS in order. The caller must not change the slice.
func (a *Array) Servers() []*CAS { return a.cas }

// CAS returns the i-th CAS, counted from 0; its name is "cas" and i+1.
func (a *Array) CAS(i int) *CAS { return a.cas[i] }

// Named returns the CAS of that name.
func (a *Array) Named(name string) (*CAS, bool) {
	for _, s := range a.cas {
		if s.name == name {
			return s, true
		}
	}
	return nil, false
}

// Users returns who may log on.
func (a *Array) Users() *Users { return a.users }

// CertificatePEM returns the certificate that every CAS presents over TLS, in
// PEM; it is its own authority. Nil without Options.TLS.
func (a *Array) CertificatePEM() []byte { return a.certPEM }

// errNoUser is the answer to mail for nobody.
var errNoUser = errors.New("lab: no such user")

// DeliverMail puts a message into a user's mailbox: whoever waits for one, on
// whichever CAS, hears of it.
func (a *Array) DeliverMail(user string) error {
	name, ok := a.users.known(user)
	if !ok {
		return fmt.Errorf("%w: %q", errNoUser, user)
	}
	a.mail.deliver(name)
	return nil
}

// Leaks returns how many requests of all CAS met another user's identity; see
// Counts.Leaks.
func (a *Array) Leaks() uint64 {
	var n uint64
	for _, s := range a.cas {
		n += s.counters.leaks.Load()
	}
	return n
}

// Close stops every CAS and returns when nothing of them runs any more.
func (a *Array) Close() {
	for _, s := range a.cas {
		s.Stop()
	}
}
