package persistence

import (
	"bytes"
	"encoding/base64"
	"regexp"
	"strings"
	"testing"
	"time"

	"casbah/balance"
	"casbah/internal/httphead"
)

// sealedCas1 was sealed for cas1 in the scope "mail", at second 1767323045, under
// the passphrase "open sesame". It is fixed, since each process of a fuzzer would
// make another one, and since what clients hold must open after an upgrade.
const sealedCas1 = "sDRFFAheDnPMXLb7vCUONS0wtq6SPwoQcbf5xMSBNJZW5VXslRhQnkw8E16is61ZleOBxyLW_LIs_R6xFJws4sgZM3ciBAj-"

// FuzzSealedCookie checks that nothing opens but what was sealed, as it was
// sealed, in the scope for which it was sealed.
func FuzzSealedCookie(f *testing.F) {
	sealer, err := NewSealer([]byte("open sesame"))
	if err != nil {
		f.Fatal(err)
	}
	scope := []byte("mail")
	value := []byte(sealedCas1)
	f.Add([]byte{}, uint16(0), byte(0))
	f.Add(value, uint16(0), byte(0))
	f.Add(bytes.ToUpper(value), uint16(31), byte(1))
	f.Add(value[:40], uint16(95), byte(0x20))
	f.Add(append(bytes.Clone(value), '='), uint16(64), byte(0x80))
	f.Fuzz(func(t *testing.T, in []byte, at uint16, flip byte) {
		if _, ok := sealer.open(in, scope, members); ok && !bytes.Equal(in, value) {
			t.Fatalf("%q opens", in)
		}
		altered := bytes.Clone(value)
		altered[int(at)%len(altered)] ^= flip
		got, ok := sealer.open(altered, scope, members)
		if ok != (flip == 0) || ok && got != (opened{member: 0, issued: 1767323045}) {
			t.Fatalf("open(%q) = %+v, %v", altered, got, ok)
		}
		if _, ok := sealer.open(value, in, members); ok != bytes.Equal(in, scope) {
			t.Fatalf("a cookie of scope %q opens in %q: %v", scope, in, ok)
		}
	})
}

// ownSteps is a chain with every cookie of casbah's own.
var ownSteps = []Step{
	{By: InsertCookie, Insert: Insert{Name: "OWN", Timeout: time.Hour}},
	{By: InsertCookie, Insert: Insert{Name: "NSC_x", Netscaler: true}},
	mateOnly[0],
}

// sealedMate was sealed as the companion of UserContext=abc for cas2, in the scope
// "mail/cas/owa", at the begin of the tests, under the passphrase "open sesame".
const sealedMate = "80jtqWBlnohdvwhzSlUfBnd4NcFlU8ZVpmU1cLRaRZRpBG_x-qQlHhRKJLOizu9qdNupyrJo2vQ1g5V8aOZiS-z0FgXfP4qc"

// sealedOwn was sealed likewise for insert_cookie and cas1.
const sealedOwn = "YSpzdSdOM7p3yetmLOoQszc14sFEtfUlOan_3Uhe-2eF7gvenT8PZyBSdj8CvdogMDuhdPm6NRY8TaYBkzEDnndTs9pERguV"

// FuzzOwnCookies checks that a request comes to a server only by what was issued
// for it: the sealed cookie, the address of a server of the pool, or a companion
// together with its cookie. Foreign, cut and altered values lead nowhere.
func FuzzOwnCookies(f *testing.F) {
	sealed := "OWN=" + sealedOwn
	companion := mate + "=" + sealedMate
	for _, seed := range []string{
		"", "a=b", sealed, companion, companion + "; UserContext=abc", "UserContext=abc; " + companion, "UserContext=abd; " + companion,
		"NSC_x=c0a864100050", "NSC_x=C0A864100050; " + sealed, "NSC_x=c0a864100051", "OWN=" + sealedMate, mate + "=" + sealedOwn + "; UserContext=abc",
		"NSC_x=ffffffffc3a07a0145525d5f4f58455e445a4a423660", strings.Repeat("OWN=x; ", 1000) + sealed, "OWN=" + strings.Repeat("A", 60000),
		sealed + "A", sealed[:len(sealed)-1], "OWN=\"" + sealed[4:] + "\"", strings.Repeat(companion+"; ", 100),
	} {
		f.Add(seed)
	}
	chain := newTestChain(f, ownSteps, netscalerPool)
	s := &site{chain: chain, now: start}
	f.Fuzz(func(t *testing.T, cookie string) {
		r := &Request{Head: &httphead.Request{}}
		if r.Head.Parse([]byte("GET / HTTP/1.1\r\nHost: a\r\nCookie: "+cookie+"\r\n\r\n")) != nil {
			return
		}
		pairs := cookiePairs(r.Head)
		var w Walk
		chain.Walk(s.now, r, s, &w)
		for i := range w.Readings[:w.N] {
			rd := &w.Readings[i]
			if rd.Server != 0 && !issuedFor(rd, pairs) {
				t.Fatalf("step %d of Cookie: %q names server %d", rd.Step, cookie, rd.Server)
			}
		}
		if w.Server == 0 && pairs["OWN="+sealedOwn] && !strings.Contains(cookie, "OWN=x") && strings.Count(cookie, "OWN=") == 1 {
			t.Fatalf("Cookie: %q does not count", cookie)
		}
	})
}

// cookiePairs returns the cookies of a request, as name=value.
func cookiePairs(r *httphead.Request) map[string]bool {
	pairs := make(map[string]bool)
	for i := range r.Fields {
		if !httphead.EqualFold(r.Fields[i].Name, "cookie") {
			continue
		}
		for pair := range strings.SplitSeq(string(r.Fields[i].Value), ";") {
			name, value, _ := strings.Cut(pair, "=")
			pairs[strings.Trim(name, " \t")+"="+strings.Trim(value, " \t")] = true
		}
	}
	return pairs
}

// addressed are the values of format netscaler that lead to a server of netscalerPool.
var addressed = map[balance.ServerID]*regexp.Regexp{
	cas1: regexp.MustCompile(`(?i)^NSC_x=(c0a864100050|00000000000000000000ffffc0a864100050|ffffffffc3a07a01[0-9a-f]{24}3660)$`),
	cas2: regexp.MustCompile(`(?i)^NSC_x=20010db80000000000000000000000011f90$`),
}

// issuedFor reports whether the request holds what was issued for the server that
// a reading names.
func issuedFor(rd *Reading, pairs map[string]bool) bool {
	switch rd.Step {
	case 0:
		return rd.Server == cas1 && pairs["OWN="+sealedOwn]
	case 1:
		form := addressed[rd.Server]
		for pair := range pairs {
			if form != nil && form.MatchString(pair) && strings.HasPrefix(pair, "NSC_x=") {
				return true
			}
		}
		return false
	default:
		return rd.Server == cas2 && pairs[mate+"="+sealedMate] && pairs["UserContext=abc"]
	}
}

// A request of thousands of cookies, or of one that is huge, costs no memory, and
// little time: few of them are tried.
func TestManyOwnCookies(t *testing.T) {
	chain := newTestChain(t, ownSteps, netscalerPool, sealedBy(t, "open sesame", "1", "2", "3", "4", "5"))
	s := &site{t: t, chain: chain, now: start}
	set := answer{set: []string{"OWN=1", mate + "=1", "UserContext=abc; Path=/"}}.response(t)
	for what, cookie := range map[string]string{
		"sealed":    strings.Repeat("OWN="+sealedMate+"; ", 700) + "OWN=" + sealedOwn,
		"addresses": strings.Repeat("NSC_x=c0a864100051; ", 4000) + "NSC_x=c0a864100050",
		"companion": strings.Repeat(mate+"="+sealedMate+"; UserContext=abd; ", 400) + "UserContext=abc",
		"huge":      "OWN=" + strings.Repeat("A", 90_000) + "; NSC_x=" + strings.Repeat("f", 5000),
	} {
		t.Run(what, func(t *testing.T) {
			r := client{cookie: cookie}.request(t)
			var w Walk
			lines := make([]byte, 0, 2048)
			n := testing.AllocsPerRun(50, func() {
				chain.Walk(s.now, r, s, &w)
				lines = chain.Learn(s.now, &w, cas1, set, lines[:0])
			})
			if name, set := chain.Clash(&w); n != 0 && !raceEnabled || w.Server != 0 || name == "" || !set {
				t.Errorf("%v allocations, server %d, clash %q by the server %v; want 0, none, one by the server", n, w.Server, name, set)
			}
		})
	}
}

// FuzzAuthorizationKey checks what a user is made of: never more than there is
// room for, never anything of a password, always the same.
func FuzzAuthorizationKey(f *testing.F) {
	f.Add("Basic "+base64.StdEncoding.EncodeToString([]byte("alice:secret")), "alice", "secret")
	f.Add("NTLM "+ntlmToken("EXAMPLE", "Alice"), "EXAMPLE\\alice", "")
	f.Add("Negotiate "+spnegoToken("Alice"), "Ä\xc4", ":")
	f.Add("Bearer "+bearerToken(`{"a":{"b":[1,"]"]},"sub":"x\"y"}`), "\x00", "x")
	f.Add("Bearer ."+base64.RawURLEncoding.EncodeToString([]byte(`{"upn":""`)), "", "")
	f.Fuzz(func(t *testing.T, value, user, password string) {
		var room, again [maxIdentity]byte
		got, ok := appendUser(room[:0], []byte(value))
		if ok && (len(got) == 0 || &got[0] != &room[0]) {
			t.Fatalf("appendUser(%q) = %q; want something, within its room", value, got)
		}
		if same, _ := appendUser(again[:0], []byte(value)); ok && !bytes.Equal(got, same) {
			t.Fatalf("appendUser(%q) = %q, then %q", value, got, same)
		}
		if bytes.IndexByte([]byte(user), ':') >= 0 {
			return
		}
		name := func(password string) ([]byte, bool) {
			text := base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
			return appendUser(make([]byte, 0, maxIdentity), []byte("Basic "+text))
		}
		with, ok := name(password)
		without, okWithout := name("")
		if ok != okWithout || !bytes.Equal(with, without) {
			t.Fatalf("user %q is %q with password %q, %q without", user, with, password, without)
		}
		if ok != (user != "" && len(user) <= maxIdentity) && len(user) < maxIdentity/2 {
			t.Fatalf("user %q names someone: %v", user, ok)
		}
	})
}
