package profiles

import (
	"cmp"
	"encoding/hex"
	"strings"
	"time"
)

// Certificate is one certificate of a VIP, chosen by the names that it holds.
// The first of a VIP is shown to clients that ask for another name, or none.
type Certificate struct {
	// Cert is a PEM file: the certificate, then those that issued it; or a PKCS #12
	// file, with all that and the key.
	Cert string `toml:"cert"`
	// Key is a PEM file with its private key; empty: it stands in Cert.
	Key string `toml:"key"`
	// PassphraseFile is a file with the passphrase of an encrypted key or PKCS #12
	// file in its first line.
	PassphraseFile string `toml:"passphrase_file"`
	// ACME says that casbah gets the certificate from an ACME server, and renews it:
	// then it has no files.
	ACME bool `toml:"acme"`
	// Names are the host names to be in it; empty: the hosts of the VIP.
	Names []string `toml:"names"`
	// KeyType is the kind of its key: ecdsa or rsa.
	KeyType string `toml:"key_type"`
}

// VIPTLS is TLS towards the clients of an https or tls VIP.
type VIPTLS struct {
	// Policy is modern, intermediate or legacy: the versions and cipher suites
	// where the keys below do not name them.
	Policy string `toml:"policy"`
	// MinVersion and MaxVersion bound the TLS version: 1.0, 1.1, 1.2 or 1.3; empty:
	// those of the policy.
	MinVersion string `toml:"min_version"`
	MaxVersion string `toml:"max_version"`
	// Ciphers are the suites allowed up to TLS 1.2, by their IANA names; empty:
	// those of the policy.
	Ciphers []string `toml:"ciphers"`
	// HSTS is how long browsers are told to use https alone; 0 tells them nothing.
	HSTS time.Duration `toml:"hsts"`
	// HSTSSubdomains extends that to all names below the one asked for.
	HSTSSubdomains bool `toml:"hsts_subdomains"`
	// ClientAuth says whether clients are asked for a certificate: off, request or
	// require.
	ClientAuth string `toml:"client_auth"`
	// ClientCA is a PEM file of those who may issue it.
	ClientCA string `toml:"client_ca"`
	// ClientCRL is a PEM or DER file of their revocation lists; empty: none is
	// looked at.
	ClientCRL string `toml:"client_crl"`
	// ClientHeader is the header in which servers are told the subject of the
	// certificate; empty: they are not. Clients cannot send it, on any VIP.
	ClientHeader string `toml:"client_header"`
	// OCSPStapling has certificates that name a responder be shown with what it says
	// of them.
	OCSPStapling bool `toml:"ocsp_stapling"`
}

// PoolTLS is TLS towards the servers of a pool.
type PoolTLS struct {
	// Verify says whether the servers' certificates are checked.
	Verify bool `toml:"verify"`
	// CA is a file of certificates that may have issued the servers'; empty:
	// those that the system trusts.
	CA string `toml:"ca"`
	// Pin are the SHA-256 of the servers' certificates, in hexadecimal. Whoever
	// shows one of them is trusted, and nobody else.
	Pin []string `toml:"pin"`
	// ServerName is the name asked for and verified; empty: that of the
	// server's address.
	ServerName string `toml:"server_name"`
	// Policy is modern, intermediate or legacy, as of a VIP.
	Policy string `toml:"policy"`
	// MinVersion and MaxVersion bound the TLS version: 1.0, 1.1, 1.2 or 1.3; empty:
	// those of the policy.
	MinVersion string `toml:"min_version"`
	MaxVersion string `toml:"max_version"`
	// Ciphers are the suites offered up to TLS 1.2, by their IANA names; empty:
	// those of the policy.
	Ciphers []string `toml:"ciphers"`
	// ClientCert and ClientKey are the files of the certificate that casbah
	// shows to the servers, as of a VIP; empty: none.
	ClientCert string `toml:"client_cert"`
	ClientKey  string `toml:"client_key"`
	// ClientPassphraseFile opens them, as of a VIP.
	ClientPassphraseFile string `toml:"client_passphrase_file"`
}

// Pins returns the pins in octets, of a checked configuration.
func (t *PoolTLS) Pins() [][]byte {
	var pins [][]byte
	for _, text := range t.Pin {
		pin, _ := parsePin(text)
		pins = append(pins, pin)
	}
	return pins
}

// parsePin reads a fingerprint, with colons as openssl prints it or without.
func parsePin(text string) ([]byte, bool) {
	pin, err := hex.DecodeString(strings.ReplaceAll(text, ":", ""))
	return pin, err == nil && len(pin) == 32
}

// The policies.
const (
	modern       = "modern"
	intermediate = "intermediate"
	legacy       = "legacy"
)

// oldest is the oldest version that a policy allows. All allow the newest.
var oldest = map[string]string{modern: "1.3", intermediate: "1.2", legacy: "1.0"}

// newest is the newest version there is.
const newest = "1.3"

// complete puts in the versions of the policy. A mistaken one is the safest here.
func (t *VIPTLS) complete() {
	t.MinVersion = cmp.Or(t.MinVersion, oldest[t.Policy], newest)
	t.MaxVersion = cmp.Or(t.MaxVersion, newest)
}

func (t *PoolTLS) complete() {
	t.MinVersion = cmp.Or(t.MinVersion, oldest[t.Policy], newest)
	t.MaxVersion = cmp.Or(t.MaxVersion, newest)
}
