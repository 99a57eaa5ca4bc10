package route

import "bytes"

// ByName returns the profile that serves clients which ask for name, in lower
// case, where the name is all that they say of what they want; empty: for none.
// It is nil for what the VIP does not serve.
func (v *VIP) ByName(name []byte) *Profile {
	if p := v.Named(name); p != nil || len(v.Hosts) > 0 {
		return p
	}
	return v.Profiles[0]
}

// Named is ByName for the names that the VIP has in its hosts and routes: what
// stands there in full comes before what a wildcard stands for.
func (v *VIP) Named(name []byte) *Profile {
	if p := v.Routes[string(name)]; p != nil {
		return p
	}
	if len(v.Hosts) > 0 && v.Serves(name) {
		return v.Profiles[0]
	}
	return v.underWildcard(name)
}

// underWildcard returns the profile of the wildcard for name. One label is all
// that it stands for (RFC 6125, Section 6.4.3), so that there is one at most.
func (v *VIP) underWildcard(name []byte) *Profile {
	var key [256]byte
	dot := bytes.IndexByte(name, '.')
	if dot <= 0 || len(v.Routes) == 0 || len(name)-dot >= len(key) {
		return nil
	}
	key[0] = '*'
	n := 1 + copy(key[1:], name[dot:])
	return v.Routes[string(key[:n])]
}
