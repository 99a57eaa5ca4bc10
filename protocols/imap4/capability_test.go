package imap4

import (
	"slices"
	"strings"
	"testing"
	"unsafe"

	"casbah/internal/maildialogue/dialoguetest"

	"pgregory.net/rapid"
)

// TestLists gives any list of capabilities to each way in which a relay is set,
// before and behind login, and in each place where a list can stand.
func TestLists(t *testing.T) {
	words := []string{"IMAP4rev1", "STARTTLS", "starttls", "StartTLS", "LOGINDISABLED", "loginDisabled", "AUTH=PLAIN", "auth=login", "AUTH=NTLM", "AUTH=XOAUTH2", "STARTTLSX", "LITERAL+", "IDLE"}
	places := []string{"* CAPABILITY", "* OK [CAPABILITY", "* capability", "x OK [CAPABILITY", "* PREAUTH [Capability"}
	rapid.Check(t, func(rt *rapid.T) {
		o := Options{Offer: rapid.Bool().Draw(rt, "offer"), Secure: rapid.Bool().Draw(rt, "secure"), ServerSecure: rapid.Bool().Draw(rt, "server")}
		known := rapid.Bool().Draw(rt, "known")
		list := rapid.SliceOf(rapid.SampledFrom(words)).Draw(rt, "list")
		place := rapid.SampledFrom(places).Draw(rt, "place")
		d := New(o)
		d.state.Greeted, d.loggedIn = true, known
		end := "\r\n"
		if strings.Contains(place, "[") {
			end = "] text STARTTLS\r\n"
		}
		var e Effect
		line := strings.Join(append([]string{place}, list...), " ") + end
		if used, err := d.FromServer([]byte(line), &e); used != len(line) || err != nil {
			rt.Fatalf("FromServer(%q) = %d, %v", line, used, err)
		}
		want := strings.Join(append([]string{place}, seen(list, o, known)...), " ") + end
		if string(e.ToClient) != want {
			rt.Fatalf("%q became %q; want %q", line, e.ToClient, want)
		}
	})
}

// seen returns what of a list a client sees.
func seen(list []string, o Options, known bool) []string {
	if !o.Offer {
		return list
	}
	upper := func(s string) string { return strings.ToUpper(s) }
	secrets := []string{"AUTH=PLAIN", "AUTH=LOGIN", "AUTH=XOAUTH2"}
	var out []string
	for _, word := range list {
		switch {
		case upper(word) == "STARTTLS":
		case upper(word) == "LOGINDISABLED" && o.Secure && !o.ServerSecure:
		case !o.Secure && !known && slices.Contains(secrets, upper(word)):
		default:
			out = append(out, word)
		}
	}
	if o.Secure || known {
		return out
	}
	out = append(out, "STARTTLS")
	if !slices.ContainsFunc(out, func(s string) bool { return upper(s) == "LOGINDISABLED" }) {
		out = append(out, "LOGINDISABLED")
	}
	return out
}

// An idle session holds little, and lines cost nothing.
func TestMemory(t *testing.T) {
	dialoguetest.Memory(t, New(dialoguetest.OffersTo), unsafe.Sizeof(Dialogue{}), dialoguetest.S("* OK ready\r\n"),
		dialoguetest.C("a NOOP\r\n"), dialoguetest.S("* CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN\r\n"), dialoguetest.S("a OK\r\n"))
}
