package health

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"
)

// page returns a server whose health page answers one text and everything else
// another; an empty text closes the connection instead.
func page(health, other string) func(net.Conn) {
	return func(c net.Conn) {
		text := other
		if strings.Contains(readHead(c), "/healthcheck.htm ") {
			text = health
		}
		io.WriteString(c, text)
	}
}

const (
	off503   = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
	login302 = "HTTP/1.1 302 Found\r\nLocation: /owa/auth/logon.aspx\r\nContent-Length: 0\r\n\r\n"
	login401 = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"
	sick500  = "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"
)

// What tells an orderly end of work from a fault is that the directory works on
// where its health page says no.
func TestHealthPageTellsOrderFromFault(t *testing.T) {
	tests := []struct {
		name          string
		path          string // empty: the health page
		health, other string
		want          Cause
	}{
		{"works", "", "HTTP/1.1 200 OK\r\n\r\n200 OK<br/>CAS1.example.org", sick500, Right},
		{"off-by-503", "", off503, login302, Off},
		{"off-by-503-asks-who-is-there", "", off503, login401, Off},
		{"off-by-a-close", "", "", login302, Off},
		{"pool-stopped", "", off503, off503, Wrong},
		{"pool-dies", "", "", "", Closed},
		{"directory-is-sick", "", off503, sick500, Wrong},
		{"page-is-sick", "", sick500, login302, Wrong},
		{"no-such-page", "", "HTTP/1.1 404 Not Found\r\n\r\n", login302, Wrong},
		{"garbage", "", "garbage\r\n\r\n", login302, Wrong},
		{"another-page", "/owa/", off503, off503, Wrong},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := &HTTPProbe{Endpoint: serve(t, page(tt.health, tt.other)), Path: "/owa/healthcheck.htm"}
			if tt.path != "" {
				p.Path = tt.path
			}
			err := p.Check(t.Context())
			if got := CauseOf(err); got != tt.want {
				t.Errorf("Check() = %v, which is %v; want %v", err, got, tt.want)
			}
			if errors.Is(err, ErrOff) != (tt.want == Off) || answerOf(err) == Orderly != (tt.want == Off) {
				t.Errorf("Check() = %v; want it off %v", err, tt.want == Off)
			}
		})
	}
}

// A port where nobody listens is a fault and no orderly end.
func TestHealthPageOfADeadServer(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e := endpoint(ln.Addr())
	ln.Close()
	err = (&HTTPProbe{Endpoint: e, Path: "/owa/healthcheck.htm"}).Check(t.Context())
	if CauseOf(err) != Unreached || answerOf(err) != Bad {
		t.Errorf("Check() = %v, which is %v; want unreached, bad", err, CauseOf(err))
	}
}

// A health page that names another server than the one that is asked is no good
// answer, whatever its status.
func TestHealthPageOfAnotherServer(t *testing.T) {
	const want = "cas1.example.org"
	tests := []struct {
		name, body, fqdn string
		misrouted        string // the name that is told of; empty: the answer is right
	}{
		{"right", "200 OK<br/>CAS1.example.org", want, ""},
		{"right-with-a-dot", "200 OK<br/>cas1.example.org.", want, ""},
		{"right-on-a-line", "200 OK\r\ncas1.example.org\r\n", want, ""},
		{"right-in-a-page", "<html><body>200 OK<br />\n<b>CAS1.EXAMPLE.ORG</b></body></html>", want, ""},
		{"other", "200 OK<br/>CAS2.example.org", want, "CAS2.example.org"},
		{"other-and-more", "200 OK<br/>CAS2.example.org<br/>cas1.example.org", want, "CAS2.example.org"},
		{"longer", "200 OK<br/>cas1.example.org.evil", want, "cas1.example.org.evil"},
		{"nobody-asks", "200 OK<br/>CAS2.example.org", "", ""},
		{"no-name", "200 OK", want, ""},
		{"no-name-but-tags", "200 OK<br/><hr/>", want, ""},
		{"nothing", "", want, ""},
		{"something-else", "welcome", want, ""},
		{"unended-tag", "200 OK<br", want, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := &HTTPProbe{Endpoint: serve(t, answer("HTTP/1.1 200 OK\r\n\r\n"+tt.body)), Path: "/owa/HealthCheck.htm", FQDN: tt.fqdn}
			err := p.Check(t.Context())
			e, got := errors.AsType[*MisroutedError](err)
			switch {
			case got != (tt.misrouted != ""):
				t.Errorf("Check() = %v; want misrouted %v", err, tt.misrouted != "")
			case got && (e.Got != tt.misrouted || CauseOf(err) != Misrouted || answerOf(err) != Bad):
				t.Errorf("Check() = %v, %v; want one of %s", err, CauseOf(err), tt.misrouted)
			}
		})
	}
	// Other pages tell no names.
	p := &HTTPProbe{Endpoint: serve(t, answer("HTTP/1.1 200 OK\r\n\r\n200 OK<br/>cas2")), Path: "/owa/", FQDN: want}
	checkError(t, p, "")
}

func FuzzPageName(f *testing.F) {
	for _, s := range []string{
		"200 OK<br/>CAS1.example.org", "200 OK", "200 OK<", "200 OK\r\n.", "200 OK<br/>" + strings.Repeat("a", 254), "200 OK<br/>ä",
		strings.Repeat("200 OK<", 1000),
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		name := pageName(body)
		if len(name) > 253 || !strings.Contains(body, name) || strings.ContainsFunc(name, func(c rune) bool { return !nameRune(c) }) {
			t.Errorf("pageName(%q) = %q", body, name)
		}
		if name != "" && pageName("200 OK<br/>"+name) != name {
			t.Errorf("the name %q is read as %q", name, pageName("200 OK<br/>"+name))
		}
	})
}
