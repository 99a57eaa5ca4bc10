package persistence

import (
	"testing"
)

// newTestSealer returns a sealer with the passphrases, the current one first.
func newTestSealer(tb testing.TB, passphrases ...string) *Sealer {
	tb.Helper()
	var old [][]byte
	for _, p := range passphrases[1:] {
		old = append(old, []byte(p))
	}
	s, err := NewSealer([]byte(passphrases[0]), old...)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// sealedBy makes a chain seal under the passphrases.
func sealedBy(tb testing.TB, passphrases ...string) func(*Config) {
	tb.Helper()
	s := newTestSealer(tb, passphrases...)
	return func(c *Config) { c.Sealer = s }
}

// S49 S108: what is sealed for one server differs with the passphrase, and only
// who has that opens it.
func TestTwoPassphrasesTwoCiphertexts(t *testing.T) {
	scope := []byte("scope")
	one, other := newTestSealer(t, "passphrase one"), newTestSealer(t, "passphrase two")
	a, b := one.appendSeal(nil, scope, "cas1", 7, Key{}), other.appendSeal(nil, scope, "cas1", 7, Key{})
	if string(a) == string(b) {
		t.Errorf("both seal to %s", a)
	}
	for what, tt := range map[string]struct {
		s     *Sealer
		value []byte
		opens bool
		key   int
	}{
		"own":           {one, a, true, 0},
		"other":         {one, b, false, 0},
		"old":           {newTestSealer(t, "passphrase two", "passphrase one"), a, true, 1},
		"older":         {newTestSealer(t, "passphrase three", "passphrase two", "passphrase one"), a, true, 2},
		"current-first": {newTestSealer(t, "passphrase two", "passphrase one"), b, true, 0},
	} {
		t.Run(what, func(t *testing.T) {
			got, ok := tt.s.open(tt.value, scope, members)
			if ok != tt.opens || ok && got != (opened{member: 0, issued: 7, key: tt.key}) {
				t.Errorf("open = %+v, %v; want it to open under key %d: %v", got, ok, tt.key, tt.opens)
			}
		})
	}
}

// What an old passphrase sealed is read, and issued anew under the current one.
func TestCookieOfAnOldPassphraseIsIssuedAnew(t *testing.T) {
	before := newSite(t, insertOnly, sealedBy(t, "passphrase of old"))
	c := client{cookie: before.send(client{}, answer{}).issued()}

	both := newSite(t, insertOnly, sealedBy(t, "passphrase now", "passphrase of old"))
	both.choose = cas2
	v := both.send(c, answer{})
	both.expect("under the old one", v, cas1, Bound)
	renewed := client{cookie: v.issued()}
	if renewed.cookie == "" {
		t.Fatal("no new cookie issued")
	}
	if again := both.send(renewed, answer{}); again.added != "" {
		t.Errorf("issued once more: %q", again.added)
	}

	after := newSite(t, insertOnly, sealedBy(t, "passphrase now"))
	after.choose = cas2
	after.expect("the new cookie", after.send(renewed, answer{}), cas1, Bound)
	after.expect("the old cookie", after.send(c, answer{}), cas2, NoKey)
}

// The cost of a value that does not open is bounded.
func TestSealerRefuses(t *testing.T) {
	old := make([][]byte, MaxOldPassphrases)
	for i := range old {
		old[i] = []byte{byte(i + 1)}
	}
	if _, err := NewSealer([]byte("x"), old...); err != nil {
		t.Errorf("%d old passphrases: %v", len(old), err)
	}
	if _, err := NewSealer([]byte("x"), append(old, []byte("y"))...); err == nil {
		t.Errorf("NewSealer accepts %d old passphrases", MaxOldPassphrases+1)
	}
	if _, err := NewSealer([]byte("x"), nil); err == nil {
		t.Error("NewSealer accepts an empty old passphrase")
	}
}
