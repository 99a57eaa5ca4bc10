package pop3

import (
	"slices"
	"strings"
	"testing"
	"unsafe"

	"casbah/internal/maildialogue/dialoguetest"

	"pgregory.net/rapid"
)

// TestLists gives any list to each way in which a relay is set, before and
// behind login.
func TestLists(t *testing.T) {
	words := []string{"TOP", "STLS", "stls", "STLS x", "USER", "user", "SASL NTLM PLAIN", "SASL PLAIN LOGIN", "sasl GSSAPI", "UIDL", "PLAIN", "login", "NTLM", "STLSX", "IMPLEMENTATION STLS USER", "..", ".x"}
	rapid.Check(t, func(rt *rapid.T) {
		o := Options{Offer: rapid.Bool().Draw(rt, "offer"), Secure: rapid.Bool().Draw(rt, "secure")}
		known, auth := rapid.Bool().Draw(rt, "known"), rapid.Bool().Draw(rt, "auth")
		list := rapid.SliceOf(rapid.SampledFrom(words)).Draw(rt, "list")
		d := New(o)
		d.state.Greeted, d.loggedIn = true, known
		command := "CAPA\r\n"
		if auth {
			command = "AUTH\r\n"
		}
		var e Effect
		if _, err := d.FromClient([]byte(command), &e); err != nil {
			rt.Fatal(err)
		}
		e.Reset()
		response := "+OK\r\n" + strings.Join(append(list, ".\r\n"), "\r\n")
		used, err := d.FromServer([]byte(response), &e)
		if err != nil || used+int(e.PassServer) != len(response) {
			rt.Fatalf("FromServer(%q) = %d, %v; %d pass", response, used, err, e.PassServer)
		}
		got := string(e.ToClient) + response[used:]
		if want := "+OK\r\n" + strings.Join(append(seen(list, o, known, auth), ".\r\n"), "\r\n"); got != want {
			rt.Fatalf("%q became %q; want %q", response, got, want)
		}
		if d.inBody || !d.state.Queue.Empty() {
			rt.Fatalf("%q does not end", response)
		}
	})
}

// seen returns what of a list a client sees.
func seen(list []string, o Options, known, auth bool) []string {
	if !o.Offer {
		return list
	}
	var out []string
	for _, line := range list {
		name := strings.ToUpper(strings.Fields(line)[0])
		switch {
		case auth:
			if o.Secure || !slices.Contains([]string{"PLAIN", "LOGIN", "SASL", "USER"}, name) || name == "SASL" || name == "USER" {
				out = append(out, line)
			}
		case name == "STLS", name == "USER" && !o.Secure:
		case name == "SASL" && !o.Secure:
			line = strings.ReplaceAll(strings.ReplaceAll(line, " PLAIN", ""), " LOGIN", "")
			if strings.Contains(line, " ") {
				out = append(out, line)
			}
		default:
			out = append(out, line)
		}
	}
	if !auth && !o.Secure && !known {
		out = append(out, "STLS")
	}
	return out
}

// An idle session holds little, and lines cost nothing.
func TestMemory(t *testing.T) {
	dialoguetest.Memory(t, New(dialoguetest.Offers), unsafe.Sizeof(Dialogue{}), dialoguetest.S("+OK ready\r\n"),
		dialoguetest.C("CAPA\r\n"), dialoguetest.S("+OK\r\nUSER\r\nSASL NTLM PLAIN\r\nSTLS\r\n.\r\n"))
}
