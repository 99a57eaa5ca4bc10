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
// four letters. It is the same on every node and after every start.
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
	switch {
	case s.Name != "":
		return s.Name
	case s.Format == formatNetscaler:
		return netscalerName(v.Name)
	default:
		return CookieName(Scope(v, p))
	}
}

// CompanionName returns the name of the companion of the application's cookie of
// that name, as profile p has it on VIP v.
func CompanionName(v *VIP, p *Profile, cookie string) string {
	return CookieName(Scope(v, p) + " companion of " + cookie)
}

// netscalerName returns the name that the appliances give to the cookie of a
// virtual server: NSC_ and its name, each letter replaced by the one behind it in
// the alphabet.
func netscalerName(vip string) string {
	name := []byte("NSC_" + vip)
	for i := len("NSC_"); i < len(name); i++ {
		switch c := name[i]; {
		case c == 'z' || c == 'Z':
			name[i] -= 'z' - 'a'
		case 'a' <= c && c < 'z' || 'A' <= c && c < 'Z':
			name[i]++
		}
	}
	return string(name)
}
