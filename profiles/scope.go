package profiles

import (
	"crypto/sha256"
	"encoding/binary"
)

// Scope names who shares the bindings of profile p on VIP v: the VIP's
// persistence group, or the profile's, or this VIP and profile alone. Bindings
// name servers, so those of one pool are never another's.
func Scope(v *VIP, p *Profile) string {
	switch {
	case v.Group != "":
		return "group " + v.Group + " pool " + v.Pool
	case p.Group != "":
		return "group " + p.Group + " pool " + v.Pool
	default:
		return "vip " + v.Name + " pool " + v.Pool + " profile " + p.Name
	}
}

// CookieName returns the name of the inserted cookie of a scope: CASBAH_ and
// four letters, the same in every process.
func CookieName(scope string) string {
	sum := sha256.Sum256([]byte(scope))
	n := binary.BigEndian.Uint32(sum[:])
	name := []byte("CASBAH_")
	for range 4 {
		name = append(name, 'A'+byte(n%26))
		n /= 26
	}
	return string(name)
}

// InsertedName returns the name of the cookie that step s of profile p inserts
// on VIP v.
func InsertedName(v *VIP, p *Profile, s *Step) string {
	if s.Name != "" {
		return s.Name
	}
	return CookieName(Scope(v, p))
}
