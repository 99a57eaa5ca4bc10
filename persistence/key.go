package persistence

// Secret keys the hash of all keys.
type Secret [16]byte

// Key names one client in one scope: a keyed hash of scope, method, name and
// what the step read. What was read cannot be found from it. The zero Key is
// none.
type Key struct{ hi, lo uint64 }

// markMask are the bits of hi that tell the scope and method of a key.
const markMask = 1<<16 - 1

// Mark returns those bits; see Label.
func (k Key) Mark() uint16 { return uint16(k.hi & markMask) }

// IsZero reports whether there is no key.
func (k Key) IsZero() bool { return k == Key{} }

// seconds returns the second of now, which is in Unix nanoseconds.
func seconds(now int64) uint32 { return uint32(now / 1e9) }
