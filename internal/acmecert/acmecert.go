// Package acmecert gets certificates from an ACME server and renews them in time
// (RFC 8555). What it keeps stands in files that nobody else may read: the key of
// the account, and one file for each certificate, with its key. Who shows
// certificates reads those files, and knows of this package no more than of who
// puts other files in place.
//
// Implemented: http-01, tls-alpn-01 (RFC 8737), external account binding, RSA and
// ECDSA keys. Not implemented: dns-01, and so names with a wildcard; addresses.
package acmecert

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// The challenges that can be met.
const (
	HTTP01    = "http-01"     // at port 80, by a path
	TLSALPN01 = "tls-alpn-01" // at port 443, within the handshake
)

// The kinds of keys of certificates.
const (
	ECDSA = "ecdsa"
	RSA   = "rsa"
)

// Config says whose account it is, and at which server.
type Config struct {
	Directory string // URL of the server's directory
	Email     string // whom the server may write to; empty: nobody
	Challenge string // HTTP01 or TLSALPN01
	CA        string // a PEM file of who may have issued the server's own certificate; empty: whom the system trusts
	BindingID string // of the account elsewhere that this one is bound to; empty: none
	Binding   string // a file with the key of that binding in base64
	StateDir  string // below which all is kept
}

// Dir is where what comes from the server is kept: each has its own place, as the
// accounts and certificates of one are of no use to another.
func (c *Config) Dir() string {
	host := "server"
	if u, err := url.Parse(c.Directory); err == nil && u.Hostname() != "" {
		host = u.Hostname()
	}
	return filepath.Join(c.StateDir, "acme", plain(host)+"-"+short(c.Directory))
}

// File is where a certificate is kept.
func (c *Config) File(s *Spec) string {
	return filepath.Join(c.Dir(), plain(s.Names[0])+"-"+s.Key+"-"+short(strings.Join(s.Names, " "))+".pem")
}

// Spec is a certificate that is wanted. Two of the same names and kind are one.
type Spec struct {
	Names []string // at least one, in lower case; the first names the file
	Key   string   // ECDSA or RSA
}

// NewSpec returns what to ask for. The names are put in order but for the first.
func NewSpec(names []string, key string) Spec {
	s := Spec{Names: slices.Clone(names), Key: key}
	slices.Sort(s.Names[1:])
	return s
}

// Solver answers the server's challenges while an order is open.
type Solver interface {
	// AnswerHTTP has requests for the token answered. The path begins with
	// /.well-known/acme-challenge/.
	AnswerHTTP(token, answer string)
	// AnswerTLS has handshakes for a name, with the protocol acme-tls/1, show cert.
	AnswerTLS(name string, cert *tls.Certificate)
	// Clear ends all of that.
	Clear()
}

// Status is what an administrator may ask about a certificate.
type Status struct {
	Names     []string // that are asked for
	Directory string
	Challenge string
	Next      time.Time // when it will be asked for; zero: it is being asked for
	Failures  int       // in a row
	Error     string    // of the last attempt, in the server's words; empty: it succeeded, or none was made
}

// short tells texts apart in file names.
func short(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:4])
}

// plain keeps what file names may hold everywhere.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '.' || r == '-' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' {
			return r
		}
		return '_'
	}, strings.ToLower(text))
}
