package smtp

import (
	"strings"
	"testing"
	"unsafe"

	"casbah/internal/maildialogue/dialoguetest"

	"pgregory.net/rapid"
)

// TestLists gives any EHLO reply to each way in which a relay is set.
func TestLists(t *testing.T) {
	words := []string{"SIZE 1000", "STARTTLS", "starttls", "StartTLS now", "AUTH NTLM LOGIN", "auth plain", "AUTH=LOGIN", "AUTH", "X-EXPS GSSAPI NTLM LOGIN", "X-ANONYMOUSTLS", "XSHADOW", "STARTTLSX", "CHUNKING"}
	rapid.Check(t, func(rt *rapid.T) {
		o := Options{Offer: rapid.Bool().Draw(rt, "offer"), Secure: rapid.Bool().Draw(rt, "secure")}
		list := append([]string{"STARTTLS is my name"}, rapid.SliceOf(rapid.SampledFrom(words)).Draw(rt, "list")...)
		d := New(o)
		var e Effect
		if _, err := d.FromServer([]byte("220 ready\r\n"), &e); err != nil {
			rt.Fatal(err)
		}
		if _, err := d.FromClient([]byte("EHLO client\r\n"), &e); err != nil {
			rt.Fatal(err)
		}
		e.Reset()
		reply := reply(list)
		if used, err := d.FromServer([]byte(reply), &e); used != len(reply) || err != nil {
			rt.Fatalf("FromServer(%q) = %d, %v", reply, used, err)
		}
		if want := replySeen(list, o); string(e.ToClient) != want {
			rt.Fatalf("%q became %q; want %q", reply, e.ToClient, want)
		}
		if d.last != nil {
			rt.Fatalf("%q is kept", d.last)
		}
	})
}

func reply(lines []string) string {
	var out strings.Builder
	for i, l := range lines {
		mark := "-"
		if i == len(lines)-1 {
			mark = " "
		}
		out.WriteString("250" + mark + l + "\r\n")
	}
	return out.String()
}

// replySeen returns what of a list a client sees.
func replySeen(list []string, o Options) string {
	if !o.Offer {
		return reply(list)
	}
	out := list[:1:1]
	for _, line := range list[1:] {
		name := strings.ToUpper(strings.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == '=' })[0])
		switch {
		case name == "STARTTLS":
		case name == "AUTH" && !o.Secure:
			if strings.Contains(line, "NTLM") {
				out = append(out, "AUTH NTLM")
			}
		default:
			out = append(out, line)
		}
	}
	if !o.Secure {
		out = append(out, "STARTTLS")
	}
	return reply(out)
}

// An idle session holds little, and lines cost nothing.
func TestMemory(t *testing.T) {
	dialoguetest.Memory(t, New(dialoguetest.Offloads), unsafe.Sizeof(Dialogue{}), dialoguetest.S("220 ready\r\n"),
		dialoguetest.C("RSET\r\n"), dialoguetest.S("250 ok\r\n"), dialoguetest.C("DATA\r\n"), dialoguetest.S("354 go\r\n"), dialoguetest.C("text\r\n"), dialoguetest.C(".\r\n"), dialoguetest.S("250 ok\r\n"))
}
