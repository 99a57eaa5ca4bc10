package profiles

import "strings"

// The kinds of keys and the challenges, as internal/acmecert names them.
const (
	keyECDSA      = "ecdsa"
	keyRSA        = "rsa"
	challengeTLS  = "tls-alpn-01"
	challengeHTTP = "http-01"
)

// ACME is the account by which certificates with acme = true come.
type ACME struct {
	// Directory is the URL of the ACME server.
	Directory string `toml:"directory"`
	// AgreeTerms says that its terms of service are agreed to.
	AgreeTerms bool `toml:"agree_terms"`
	// Email is whom the server may write to; empty: nobody.
	Email string `toml:"email"`
	// Challenge is how the server finds out whether a name is ours: tls-alpn-01 at
	// port 443, or http-01 at port 80.
	Challenge string `toml:"challenge"`
	// CA is a PEM file of who may have issued the server's own certificate; empty:
	// those that the system trusts.
	CA string `toml:"ca"`
	// EABKeyID and EABKeyFile are what the server has given for an account elsewhere,
	// which the account is bound to: its key's name, and a file with the key in base64.
	EABKeyID   string `toml:"eab_key_id"`
	EABKeyFile string `toml:"eab_key_file"`
}

func defaultACME() ACME {
	return ACME{Directory: "https://acme-v02.api.letsencrypt.org/directory", Challenge: challengeTLS}
}

// complete puts in the names of a certificate that is to be got.
func (c *Certificate) complete(hosts []string) {
	for i, name := range c.Names {
		c.Names[i] = strings.ToLower(name)
	}
	if c.ACME && len(c.Names) == 0 {
		c.Names = hosts
	}
}
