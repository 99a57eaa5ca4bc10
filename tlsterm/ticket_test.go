package tlsterm

import (
	"crypto/tls"
	"errors"
	"strings"
	"testing"
	"time"
)

// noon is when the ticket keys of these tests are made.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestResumption(t *testing.T) {
	forTickets(t, func(t *testing.T, certs *Certs, client *tls.Config) {
		keys := NewTicketKeys(noon)
		steps := []struct {
			name    string
			at      time.Duration // after noon, the first time that the keys are looked at
			resumed bool
		}{
			{"first", 0, false},
			{"again", 0, true},
			{"as-long-as-the-key-seals", ticketTurn - 1, true},
			{"a-day-later-by-an-old-key", ticketTurn + ticketLife - 1, true}, // TLS 1.2 and 1.3 give a new ticket
			{"days-later", 4 * (ticketTurn + ticketLife), false},
			{"again-with-the-new-key", 4 * (ticketTurn + ticketLife), true},
		}
		for _, s := range steps {
			for at := noon; !at.After(noon.Add(s.at)); at = at.Add(ticketTurn / 2) {
				keys.Turn(at)
			}
			server := keys.outer(ServerConfig(certs, Policy{})) // a new one each time, as after a reload
			if got := mustShake(t, server, client).DidResume; got != s.resumed {
				t.Errorf("%s: resumed %v; want %v", s.name, got, s.resumed)
			}
		}
	})
}

// forTickets runs f with TLS 1.2 and 1.3, and a client that keeps tickets.
func forTickets(t *testing.T, f func(t *testing.T, certs *Certs, client *tls.Config)) {
	t.Helper()
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			certs, client := mailServer(t)
			client.MinVersion, client.MaxVersion = version, version
			client.ClientSessionCache = tls.NewLRUClientSessionCache(4)
			f(t, certs, client)
		})
	}
}

// outer returns what a listener has for base.
func (k *TicketKeys) outer(base *tls.Config) *tls.Config {
	return &tls.Config{GetConfigForClient: k.Sessions(base, nil).Config}
}

// Keys change in a config that is in use: what was sealed before still opens.
func TestTicketKeysTurnUnderUse(t *testing.T) {
	certs, client := mailServer(t)
	client.ClientSessionCache = tls.NewLRUClientSessionCache(4)
	keys := NewTicketKeys(noon)
	server := keys.outer(ServerConfig(certs, Policy{}))
	mustShake(t, server, client)
	for n := range 5 {
		if now := noon.Add(time.Duration(n+1) * ticketTurn); !keys.Turn(now) {
			t.Errorf("turn %d: no new key", n+1)
		}
		if !mustShake(t, server, client).DidResume {
			t.Errorf("turn %d: not resumed", n+1)
		}
	}
}

func TestTicketKeysKept(t *testing.T) {
	keys := NewTicketKeys(noon)
	for at := noon; at.Before(noon.Add(100 * ticketTurn)); at = at.Add(time.Hour) {
		keys.Turn(at)
		if n := len(keys.keys); n > 1+int((ticketLife+ticketTurn)/ticketTurn) {
			t.Fatalf("%s: %d keys", at.Sub(noon), n)
		}
	}
	if keys.Turn(noon.Add(100*ticketTurn - 1)) {
		t.Error("keys change although none is due")
	}
	keys.Turn(noon.Add(1000 * ticketTurn)) // after a long standstill
	if n := len(keys.keys); n != 2 {
		t.Errorf("%d keys after a standstill; want the new one, and the last that has sealed until then", n)
	}
}

// What MarshalText writes resumes after a restart.
func TestTicketKeysRestore(t *testing.T) {
	forTickets(t, func(t *testing.T, certs *Certs, client *tls.Config) {
		keys := NewTicketKeys(noon)
		mustShake(t, keys.outer(ServerConfig(certs, Policy{})), client)
		keys.Turn(noon.Add(ticketTurn))
		text, err := keys.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		next := NewTicketKeys(noon)
		if err := next.Restore(text, noon.Add(ticketTurn)); err != nil {
			t.Fatal(err)
		}
		if next.Turn(noon.Add(ticketTurn)) {
			t.Error("keys change although none is due")
		}
		if !mustShake(t, next.outer(ServerConfig(certs, Policy{})), client).DidResume {
			t.Error("not resumed after a restart")
		}
		if again, _ := next.MarshalText(); string(again) != string(text) {
			t.Error("what was restored reads otherwise")
		}
	})
}

func TestTicketKeysRestoreMistakes(t *testing.T) {
	keys := NewTicketKeys(noon)
	good, _ := keys.MarshalText()
	line := strings.TrimPrefix(string(good), ticketHead+"\n")
	tests := []struct{ name, text, want string }{
		{"empty", "", `line 1: want "casbah ticket keys 1"`},
		{"another-version", "casbah ticket keys 2\n" + line, `line 1: want "casbah ticket keys 1"`},
		{"no-key", ticketHead + "\n", "line 2: want a key, got none"},
		{"cut-off", strings.TrimSuffix(string(good), "\n"), "line 2: want a line that ends"},
		{"no-time", ticketHead + "\nyesterday " + line[21:], "line 2: want a time such as 2026-01-31T08:00:00Z, and a key"},
		{"short-key", string(good[:len(good)-3]) + "\n", "line 2: want a key of 32 octets in hexadecimal"},
		{"long-key", string(good[:len(good)-1]) + "00\n", "line 2: want a key of 32 octets in hexadecimal"},
		{"no-hexadecimal", string(good[:len(good)-3]) + "zz\n", "line 2: want a key of 32 octets in hexadecimal"},
		{"wrong-order", ticketHead + "\n2026-01-01" + line[10:] + line, "line 3: want a key that is not newer than the one before"},
		{"too-many", ticketHead + "\n" + strings.Repeat(line, keptKeys+1), "want at most 16 keys, got 17"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := keys.Restore([]byte(tt.text), noon)
			if !errors.Is(err, ErrTicketKeys) || err.Error() != "ticket keys: "+tt.want {
				t.Errorf("Restore = %v; want %s", err, tt.want)
			}
			if secret := strings.TrimSpace(line[21:]); err != nil && strings.Contains(err.Error(), secret[:8]) {
				t.Error("the error quotes a key")
			}
			if after, _ := keys.MarshalText(); string(after) != string(good) {
				t.Error("the keys in force have changed")
			}
		})
	}
}

// A clock that was set back does not let a key seal until it catches up.
func TestTicketKeysFromTheFuture(t *testing.T) {
	keys := NewTicketKeys(noon.Add(1000 * time.Hour))
	text, _ := keys.MarshalText()
	if err := keys.Restore(text, noon); err != nil {
		t.Fatal(err)
	}
	if keys.Turn(noon.Add(ticketTurn - 1)) {
		t.Error("the key is changed too early")
	}
	if !keys.Turn(noon.Add(ticketTurn)) {
		t.Error("the key is not changed")
	}
}

// A clock that was set back while casbah ran leaves a file in which a key of the future
// stands behind one that was made after it. Its sessions outlive a restart as others do.
func TestTicketKeysOfAClockThatWasSetBack(t *testing.T) {
	text := func(made time.Time) string {
		all, _ := NewTicketKeys(made).MarshalText()
		return string(all)
	}
	newest, future := text(noon), strings.TrimPrefix(text(noon.Add(1000*time.Hour)), ticketHead+"\n")
	keys, now := NewTicketKeys(noon), noon.Add(time.Hour)
	if err := keys.Restore([]byte(newest+future), now); err != nil {
		t.Fatal(err)
	}
	if keys.Turn(now) || len(keys.keys) != 2 {
		t.Errorf("%d keys; want both", len(keys.keys))
	}
	for at := now; at.Before(noon.Add(ticketTurn + ticketLife + time.Hour)); at = at.Add(time.Hour) {
		keys.Turn(at)
	}
	if again, _ := keys.MarshalText(); strings.Contains(string(again), future[len(future)-20:]) {
		t.Error("the key of the future is kept for ever")
	}
}

func FuzzTicketKeys(f *testing.F) {
	good, _ := NewTicketKeys(noon).MarshalText()
	f.Add(string(good))
	f.Add(ticketHead)
	f.Add(string(good) + string(good[len(ticketHead)+1:]))
	f.Fuzz(func(t *testing.T, text string) {
		keys := NewTicketKeys(noon)
		if keys.Restore([]byte(text), noon) != nil {
			return
		}
		first, _ := keys.MarshalText()
		if err := keys.Restore(first, noon); err != nil {
			t.Fatalf("what was restored from %q is %q, and refused: %v", text, first, err)
		}
		if again, _ := keys.MarshalText(); string(again) != string(first) {
			t.Fatalf("%q reads as %q", first, again)
		}
		if n := len(keys.keys); n == 0 || n > keptKeys || keys.keys[0].made.After(noon) {
			t.Fatalf("%d keys, the first of %v", n, keys.keys[0].made)
		}
	})
}
