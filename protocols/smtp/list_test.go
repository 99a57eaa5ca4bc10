package smtp

import (
	"strings"
	"testing"
	"unsafe"

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
	if size := unsafe.Sizeof(Dialogue{}); size >= 300 {
		t.Errorf("a session holds %d octets", size)
	}
	d := New(offloads)
	var e Effect
	from := func(call func([]byte, *Effect) (int, error), text []byte) {
		e.Reset()
		if used, err := call(text, &e); used != len(text) || err != nil {
			t.Fatalf("%q: %d, %v", text, used, err)
		}
	}
	from(d.FromServer, []byte("220 ready\r\n"))
	rset, data, ok, goAhead, body := []byte("RSET\r\n"), []byte("DATA\r\n"), []byte("250 ok\r\n"), []byte("354 go\r\n"), []byte("text\r\n.\r\n")
	round := func() {
		from(d.FromClient, rset)
		from(d.FromServer, ok)
		from(d.FromClient, data)
		from(d.FromServer, goAhead)
		e.Reset()
		if used, err := d.FromClient(body[:6], &e); used != 0 || err != nil || e.PassClient != 6 {
			t.Fatalf("FromClient(%q) = %d, %v; %d pass", body[:6], used, err, e.PassClient)
		}
		from(d.FromClient, body[6:])
		from(d.FromServer, ok)
	}
	if n := testing.AllocsPerRun(100, round); n != 0 {
		t.Errorf("%v allocations for a message", n)
	}
}
