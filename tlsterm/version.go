package tlsterm

import (
	"crypto/tls"
	"fmt"
	"strings"
)

// versions holds the TLS versions by their names in the configuration.
var versions = []struct {
	name string
	id   uint16
}{
	{"1.0", tls.VersionTLS10},
	{"1.1", tls.VersionTLS11},
	{"1.2", tls.VersionTLS12},
	{"1.3", tls.VersionTLS13},
}

// Versions returns the names that ParseVersion takes, the oldest first.
func Versions() []string {
	names := make([]string, len(versions))
	for i, v := range versions {
		names[i] = v.name
	}
	return names
}

// ParseVersion returns the TLS version of that name. An empty name is 0, which
// stands for the default.
func ParseVersion(name string) (uint16, error) {
	if name == "" {
		return 0, nil
	}
	for _, v := range versions {
		if v.name == name {
			return v.id, nil
		}
	}
	return 0, fmt.Errorf("TLS version: want one of %s, got %q", strings.Join(Versions(), ", "), name)
}

// ParseCiphers returns the cipher suites of those names, such as
// TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256. They hold for TLS 1.2 and older; those
// of TLS 1.3 are not to be chosen.
func ParseCiphers(names []string) ([]uint16, error) {
	if len(names) == 0 {
		return nil, nil
	}
	known := make(map[string]uint16)
	for _, s := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		if s.SupportedVersions[0] != tls.VersionTLS13 {
			known[s.Name] = s.ID
		}
	}
	ids := make([]uint16, 0, len(names))
	for _, name := range names {
		id, ok := known[name]
		if !ok {
			return nil, fmt.Errorf("cipher suite: want the name of one for TLS 1.2 or older, such as TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, got %q", name)
		}
		ids = append(ids, id)
	}
	return ids, nil
}
