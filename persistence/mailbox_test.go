package persistence

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"casbah/internal/httphead"
)

// easQuery returns the base64 query of a phone: version 14.0, command Ping,
// locale en-us, a policy key, and parameters with their tags before them.
func easQuery(device, policy string, parameters ...string) string {
	b := []byte{140, 18, 9, 4}
	for _, f := range []string{device, policy, "SmartPhone"} {
		b = append(append(b, byte(len(f))), f...)
	}
	for i := 0; i+1 < len(parameters); i += 2 {
		b = append(b, parameters[i]...)
		b = append(append(b, byte(len(parameters[i+1]))), parameters[i+1]...)
	}
	return base64.StdEncoding.EncodeToString(b)
}

// aboutMailbox returns a request with a target and header lines.
func aboutMailbox(tb testing.TB, target, subject string, lines ...string) *Request {
	tb.Helper()
	head := "POST " + target + " HTTP/1.1\r\nHost: mail.example.org\r\n"
	for _, l := range lines {
		head += l + "\r\n"
	}
	r := &Request{Head: &httphead.Request{}}
	if subject != "" {
		r.Subject = []byte(subject)
	}
	if err := r.Head.Parse([]byte(head + "\r\n")); err != nil {
		tb.Fatal(err)
	}
	return r
}

const (
	emsmdb = "/mapi/emsmdb/"
	guid   = "0f7b2b6a-1c55-4d0e-9a3c-6b1f0c5a7d11@example.org"
	eas    = "/Microsoft-Server-ActiveSync?"
	oid    = "9b7c7f60-1f6f-4f2b-8f43-7b1b2f1f9a10@2c1c3a59-6f6e-4f3e-9f5e-1d2c3b4a5f60"
)

func TestMailbox(t *testing.T) {
	anchor := func(v string) string { return "X-AnchorMailbox: " + v }
	bearer := func(claims string) string { return "Authorization: Bearer " + bearerToken(claims) }
	long := strings.Repeat("u", 600)
	tests := []struct {
		name, target, subject string
		lines                 []string
		want                  string // empty: names none
	}{
		// Logins, in any form that Windows takes.
		{"basic-upn", emsmdb, "", []string{basic("Alice@Example.ORG", "x")}, "alice@example.org"},
		{"basic-down-level", emsmdb, "", []string{basic(`EXAMPLE\Alice`, "x")}, `example\alice`},
		{"basic-dns-domain", emsmdb, "", []string{basic(`Example.Org\Alice`, "x")}, "alice@example.org"},
		{"basic-domain-and-upn", emsmdb, "", []string{basic(`EXAMPLE\alice@example.org`, "x")}, "alice@example.org"},
		{"basic-bare", emsmdb, "", []string{basic("Alice", "x")}, "alice"},
		{"basic-no-domain", emsmdb, "", []string{basic(`\Alice`, "x")}, "alice"},
		{"basic-this-machine", emsmdb, "", []string{basic(`.\Alice`, "x")}, "alice"},
		{"basic-domain-alone", emsmdb, "", []string{basic(`EXAMPLE\`, "x")}, ""},
		{"basic-no-user", emsmdb, "", []string{basic("@example.org", "x")}, ""},
		{"basic-no-suffix", emsmdb, "", []string{basic("alice@", "x")}, "alice"},
		{"basic-umlaut", emsmdb, "", []string{basic("ÄNNE@example.org", "x")}, "änne@example.org"},
		{"basic-white-space", emsmdb, "", []string{basic(" Alice ", "x")}, "alice"},
		{"ntlm", emsmdb, "", []string{"Authorization: NTLM " + ntlmToken("EXAMPLE", "Alice")}, `example\alice`},
		{"ntlm-upn", emsmdb, "", []string{"Authorization: NTLM " + ntlmToken("", "Alice@example.org")}, "alice@example.org"},
		{"ntlm-dns-domain", emsmdb, "", []string{"Authorization: NTLM " + ntlmToken("example.org", "Alice")}, "alice@example.org"},
		{"spnego", emsmdb, "", []string{"Authorization: Negotiate " + spnegoToken("Alice")}, `example\alice`},
		{"bearer-upn", emsmdb, "", []string{bearer(`{"sub":"AbC","unique_name":"x","upn":"Alice@Example.org"}`)}, "alice@example.org"},
		{"bearer-smtp", emsmdb, "", []string{bearer(`{"unique_name":"x","smtp":"Alice@Example.org"}`)}, "alice@example.org"},
		{"bearer-preferred", emsmdb, "", []string{bearer(`{"sub":"AbC","preferred_username":"Alice@example.org"}`)}, "alice@example.org"},
		{"bearer-down-level", emsmdb, "", []string{bearer(`{"unique_name":"EXAMPLE\\Alice"}`)}, `example\alice`},
		{"bearer-escaped", emsmdb, "", []string{bearer(`{"upn":"\u00C4nne\u0040example.org"}`)}, "änne@example.org"},
		{"bearer-quoted", emsmdb, "", []string{bearer(`{"upn":"\u0022Alice"}`)}, "u0022alice"}, // no subject
		{"bearer-subject", emsmdb, "", []string{bearer(`{"sub":"AbC"}`)}, `"abc`},
		{"login-before-anchor", emsmdb + "?MailboxId=" + guid, "", []string{anchor("bob@example.org"), basic("alice@example.org", "x")}, "alice@example.org"},

		// What the client asks for, where the login names nobody.
		{"anchor", emsmdb, "", []string{anchor("Alice@Example.org")}, "alice@example.org"},
		{"anchor-kind", emsmdb, "", []string{anchor("SMTP:Alice@Example.org")}, "alice@example.org"},
		{"anchor-directory-kind", emsmdb, "", []string{anchor("AAD-SMTP:alice@example.org")}, "alice@example.org"},
		{"anchor-number", emsmdb, "", []string{anchor("Oid:" + strings.ToUpper(oid))}, "oid:" + oid},
		{"anchor-kind-alone", emsmdb, "", []string{anchor("smtp:")}, ""},
		{"anchor-empty", emsmdb + "?MailboxId=" + guid, "", []string{anchor("")}, guid},
		{"anchor-before-mailbox-id", emsmdb + "?MailboxId=" + guid, "", []string{anchor("alice@example.org")}, "alice@example.org"},
		{"ntlm-type-1", emsmdb, "", []string{anchor("alice@example.org"), "Authorization: NTLM TlRMTVNTUAABAAAAB4IIogAAAAAAAAAAAAAAAAAAAAA="}, "alice@example.org"},
		{"kerberos", emsmdb, "", []string{anchor("alice@example.org"), "Authorization: Negotiate YIIGgAYGKwYBBQUCoIIGdDCCBnCgMDAuBgkqhkiC9xIBAgIG"}, "alice@example.org"},
		{"anchor-before-subject", emsmdb, "", []string{anchor("alice@example.org"), bearer(`{"sub":"AbC"}`)}, "alice@example.org"},
		{"mailbox-id", emsmdb + "?MailboxId=" + strings.ToUpper(guid), "", nil, guid},
		{"mailbox-id-escaped", "/mapi/nspi/?x=1&mailboxid=" + strings.Replace(guid, "@", "%40", 1), "", nil, guid},
		{"mailbox-id-empty", emsmdb + "?MailboxId=&a=b", "", nil, ""},
		{"mailbox-id-twice", emsmdb + "?MailboxId=&MailboxId=" + guid + "&MailboxId=x", "", nil, guid},
		{"mailbox-id-of-another-name", emsmdb + "?NotMailboxId=" + guid, "", nil, ""},

		// ActiveSync, whose query has two forms.
		{"eas", eas + "Cmd=Ping&User=EXAMPLE%5CAlice&DeviceId=Appl87&DeviceType=iPhone", "", nil, `example\alice`},
		{"eas-upn", eas + "User=Alice%40example.org&DeviceID=Appl87&Cmd=Sync", "", nil, "alice@example.org"},
		{"eas-user-without-device", eas + "User=alice&Cmd=Sync", "", nil, ""},
		{"eas-login", eas + "User=alice&DeviceId=Appl87", "", []string{basic("alice@example.org", "x")}, "alice@example.org"},
		{"eas-device", eas + "Cmd=Sync&DeviceId=Appl87", "", nil, `""appl87`},
		{"eas-base64-specification", eas + "jAAJBAp2MTQwRGV2aWNlAApTbWFydFBob25l", "", nil, `""v140device`}, // [MS-ASHTTP], Section 2.2.1.1.1.1
		{"eas-base64-user", eas + easQuery("Appl87", "\x01\x02\x03\x04", "\x01", "7", "\x08", "Alice@Example.org"), "", nil, "alice@example.org"},
		{"eas-base64-binary-device", eas + easQuery("\x00\x01AB\xff", ""), "", nil, "\"\"\x00\x01ab\xff"},
		{"eas-base64-user-without-device", eas + easQuery("", "", "\x08", "Alice"), "", nil, ""},
		{"eas-base64-device", eas + easQuery("Appl87", ""), "", nil, `""appl87`},
		{"eas-base64-escaped", eas + strings.NewReplacer("=", "%3D", "/", "%2f", "+", "%2B").Replace(easQuery("Appl87", "\xff\xfe\xff\xfe", "\x08", "Alice")), "", nil, "alice"},
		{"eas-base64-cut", eas + easQuery("Appl87", "")[:12], "", nil, ""},
		{"eas-base64-other-version", eas + "A" + easQuery("Appl87", "")[1:], "", nil, ""},
		{"eas-base64-long-names", eas + easQuery("Appl87", "", slices.Repeat([]string{"\x00", long[:250]}, 6)...), "", nil, `""appl87`},

		// The client's certificate.
		{"certificate", eas + "Cmd=Sync&DeviceId=Appl87", "Alice@Example.org", nil, "alice@example.org"},
		{"certificate-distinguished-name", emsmdb, `CN=Smith\, Alice,DC=example,DC=org`, nil, `cn=smith\, alice,dc=example,dc=org`},
		{"certificate-of-a-gateway", emsmdb, "CN=gateway", []string{anchor("alice@example.org")}, "alice@example.org"},

		// Bounds, and nothing at all.
		{"too-long", emsmdb, "", []string{anchor(long)}, ""},
		{"too-long-then-next", emsmdb + "?MailboxId=" + guid, "", []string{anchor(long)}, guid},
		{"too-long-id", emsmdb + "?MailboxId=" + long, "", nil, ""},
		{"longest", emsmdb, "", []string{anchor(long[:maxIdentity-3])}, long[:maxIdentity-3]},
		{"one-too-long", emsmdb, "", []string{anchor(long[:maxIdentity-2])}, ""},
		{"too-long-with-domain", emsmdb, "", []string{anchor(`EXAMPLE\` + long[:maxIdentity-8])}, ""},
		{"no-room-for-a-domain", emsmdb, `example.org\` + strings.Repeat("\U0001f600", maxIdentity/4), nil, ""},
		{"nothing", emsmdb, "", nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var room [maxIdentity]byte
			got, ok := appendMailbox(room[:0], aboutMailbox(t, tt.target, tt.subject, tt.lines...))
			if ok != (tt.want != "") || ok && string(got) != tt.want {
				t.Errorf("appendMailbox = %q, %v; want %q", got, ok, tt.want)
			}
		})
	}
}

// One mailbox has one server, however the client names it.
func TestMailboxStep(t *testing.T) {
	s := newSite(t, []Step{{By: Mailbox}, {By: SourceIP}})
	s.send(client{addr: "192.0.2.7", header: basic("alice@example.org", "secret")}, answer{})
	s.choose = cas2
	for i, header := range []string{
		basic(`Example.org\Alice`, "new"),
		"Authorization: NTLM " + ntlmToken("", "ALICE@example.org"),
		"Authorization: Bearer " + bearerToken(`{"upn":"alice@example.org","exp":17}`),
		"X-AnchorMailbox: smtp:alice@EXAMPLE.org",
	} {
		v := s.send(client{addr: fmt.Sprintf("198.51.100.%d", i), header: header}, answer{})
		s.expect(header, v, cas1, Bound)
		if v.walk.By != 0 {
			t.Errorf("%s: decided by %s; want mailbox", header, s.chain.StepName(v.walk.By))
		}
	}
	v := s.send(client{addr: "192.0.2.7", header: basic("bob@example.org", "secret")}, answer{})
	s.expect("another mailbox at the first address", v, cas1, Bound)
	if v.walk.By != 1 {
		t.Errorf("decided by %s; want source_ip", s.chain.StepName(v.walk.By))
	}
	s.expect("no mailbox, another address", s.send(client{addr: "203.0.113.9"}, answer{}), cas2, Fresh)
}

// A made-up mailbox lives a minute; one that a server knows lives on.
func TestMailboxIsConfirmedByTheServer(t *testing.T) {
	for status, stays := range map[string]bool{"401": false, "200": true} {
		t.Run(status, func(t *testing.T) {
			s := newSite(t, []Step{{By: Mailbox}})
			alice := client{header: basic("alice", "secret")}
			s.send(alice, answer{status: status})
			s.choose = cas2
			s.pass(2 * time.Minute)
			if got := s.send(alice, answer{}).server == cas1; got != stays {
				t.Errorf("after two minutes on its server: %v; want %v", got, stays)
			}
		})
	}
}

func TestMailboxDoesNotAllocate(t *testing.T) {
	s := newSite(t, []Step{{By: Mailbox}})
	var w Walk
	for name, r := range map[string]*Request{
		"basic":       aboutMailbox(t, emsmdb, "", basic(`example.org\alice`, "x")),
		"ntlm":        aboutMailbox(t, emsmdb, "", "Authorization: NTLM "+ntlmToken("EXAMPLE", "Alice")),
		"bearer":      aboutMailbox(t, emsmdb, "", "Authorization: Bearer "+bearerToken(`{"sub":"x","upn":"\u00c4nne\\x"}`)),
		"anchor":      aboutMailbox(t, emsmdb, "", "X-AnchorMailbox: SMTP:alice@example.org"),
		"mailbox-id":  aboutMailbox(t, emsmdb+"?a=b&MailboxId="+guid+"%40%zz", ""),
		"eas":         aboutMailbox(t, eas+"Cmd=Ping&User=Alice&DeviceId=Appl87", ""),
		"eas-base64":  aboutMailbox(t, eas+easQuery("Appl87", "", "\x08", "Alice"), ""),
		"eas-device":  aboutMailbox(t, eas+"Cmd=Ping&DeviceId=Appl87", ""),
		"certificate": aboutMailbox(t, emsmdb, "CN=Alice,DC=example"),
		"subject":     aboutMailbox(t, emsmdb, "", "Authorization: Bearer "+bearerToken(`{"sub":"AbC"}`)),
	} {
		t.Run(name, func(t *testing.T) {
			n := testing.AllocsPerRun(500, func() {
				s.pass(time.Second)
				s.chain.Walk(s.now, r, s, &w)
				s.chain.Bind(s.now, &w, cas1)
			})
			if n != 0 || w.Readings[0].Key.IsZero() {
				t.Errorf("%v allocations, key %v; want 0 and a key", n, w.Readings[0].Key)
			}
		})
	}
}

// FuzzMailbox checks what a mailbox is made of: lower case, never more than there
// is room for, and the same whatever the case of its letters and its place.
func FuzzMailbox(f *testing.F) {
	f.Add(emsmdb+"?MailboxId="+guid, "alice@example.org", `EXAMPLE\Alice`, "AbC")
	f.Add(eas+easQuery("Appl87", "\x01\x02\x03\x04", "\x08", "Alice"), "", "@", "")
	f.Add(eas+"User=%41lice&DeviceId=%", "SMTP:", `.\\a@b@`, `\u0041\\\"`)
	f.Add("/rpc/rpcproxy.dll?"+guid+":6001", "Oid:"+oid, "CN=Alice", "\u0130\u03a3\xc4")
	f.Fuzz(func(t *testing.T, target, anchor, name, claim string) {
		head := &httphead.Request{}
		text := "POST " + target + " HTTP/1.1\r\nHost: h\r\nX-AnchorMailbox: " + anchor + "\r\nAuthorization: Bearer " +
			bearerToken(`{"sub":"x","upn":"`+claim+`"}`) + "\r\n\r\n"
		if head.Parse([]byte(text)) == nil {
			checkMailbox(t, &Request{Head: head, Subject: []byte(name)})
			head.Fields = head.Fields[:2] // without the token
			checkMailbox(t, &Request{Head: head, Subject: []byte(name)})
			head.Fields = head.Fields[:1] // without the anchor
			checkMailbox(t, &Request{Head: head, Subject: []byte(name)})
		}
		first := checkMailbox(t, named(name))
		if again := checkMailbox(t, named(swapCase(name))); !bytes.Equal(first, again) {
			t.Fatalf("%q is %q; with other letters %q", name, first, again)
		}
		if strings.Contains(name, ":") || strings.TrimSpace(name) == "" {
			return
		}
		login := base64.StdEncoding.EncodeToString([]byte(name + ":secret"))
		logged := checkMailbox(t, &Request{Head: &httphead.Request{Fields: []httphead.Field{
			{Name: []byte("Authorization"), Value: []byte("Basic " + login)},
		}}})
		if name[0] != subjectMark && len(name) < maxIdentity/2 && !bytes.Equal(first, logged) {
			t.Fatalf("%q is %q; logged in with it %q", name, first, logged)
		}
	})
}

// named returns a request whose anchor is name, with any octets.
func named(name string) *Request {
	return &Request{Head: &httphead.Request{Fields: []httphead.Field{
		{Name: []byte("X-AnchorMailbox"), Value: []byte("smtp:" + name)},
	}}}
}

// checkMailbox returns the mailbox of r, nil if it has none.
func checkMailbox(t *testing.T, r *Request) []byte {
	t.Helper()
	room := make([]byte, 0, maxIdentity)
	got, ok := appendMailbox(room, r)
	if !ok {
		return nil
	}
	if len(got) == 0 || len(got) > maxIdentity || &got[0] != &room[:1][0] {
		t.Fatalf("mailbox %q: nothing, or more than there is room for", got)
	}
	low, _ := appendLower(make([]byte, 0, 2*maxIdentity), got)
	if !bytes.Equal(low, got) {
		t.Fatalf("mailbox %q is not in lower case", got)
	}
	return got
}

// swapCase returns s with each letter in its other case, where that has one way
// back.
func swapCase(s string) string {
	var b []byte
	for i, r := range s {
		up := unicode.ToUpper(r)
		switch {
		case r == unicode.ReplacementChar:
			_, n := utf8.DecodeRuneInString(s[i:])
			b = append(b, s[i:i+n]...)
		case unicode.ToLower(up) == unicode.ToLower(r) && up != r:
			b = append(b, string(up)...)
		default:
			b = append(b, string(unicode.ToLower(r))...)
		}
	}
	return string(b)
}
