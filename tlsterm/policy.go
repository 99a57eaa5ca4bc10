package tlsterm

import (
	"crypto/tls"
	"fmt"
)

// The names of the policies. Which versions each allows is in the configuration.
const (
	Modern       = "modern"       // TLS 1.3
	Intermediate = "intermediate" // what is safe, TLS 1.2 for who has nothing newer
	Legacy       = "legacy"       // what Windows 7 and Exchange 2010 on Windows 2008 R2 speak
)

// Suites returns the cipher suites of a policy for TLS 1.2 and older. None stand
// for those of crypto/tls: key exchange with forward secrecy alone, AES-GCM and
// ChaCha20 before AES-CBC. The last is what Windows up to 8.1 and 2012 R2 has beside
// an RSA certificate, so that intermediate cannot go without.
//
// The suites of legacy are named one by one, as crypto/tls takes what is named
// whatever it takes by default: neither GODEBUG tlsrsakex nor tls3des is needed, nor
// tls10server where the oldest version is named, and another binary's go.mod changes
// nothing. The order does not matter, crypto/tls has its own: the weakest come last.
// RC4 stays out, and AES-CBC with SHA-256, which crypto/tls does not guard against
// measuring its time (Lucky Thirteen).
func Suites(policy string) ([]uint16, error) {
	switch policy {
	case "", Intermediate, Modern: // modern has TLS 1.3 alone, whose suites are fixed
		return nil, nil
	case Legacy:
	default:
		return nil, fmt.Errorf("policy: want %s, %s or %s, got %q", Modern, Intermediate, Legacy, policy)
	}
	var suites []uint16
	for _, s := range tls.CipherSuites() {
		if s.SupportedVersions[0] != tls.VersionTLS13 {
			suites = append(suites, s.ID)
		}
	}
	return append(suites,
		tls.TLS_RSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_RSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_RSA_WITH_AES_128_CBC_SHA,
		tls.TLS_RSA_WITH_AES_256_CBC_SHA,
		tls.TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA,
		tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA,
	), nil
}

// shortHello are the key exchanges that a client of legacy offers. Those of today
// (ML-KEM) make a ClientHello of two packets, and old servers, and what stands
// before them, wait for one.
var shortHello = []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521}
