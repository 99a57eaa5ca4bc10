package health

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// A login by the form is right if it leads to a mailbox, and the account is refused
// if the form says so.
func TestOWALogin(t *testing.T) {
	const session = "HTTP/1.1 302 Found\r\nLocation: https://mail.example.org/owa/\r\nSet-Cookie: cadata=abc; path=/; secure\r\nSet-Cookie: gone=; path=/\r\nSet-Cookie: id=1\r\nContent-Length: 0\r\n\r\n"
	redirect := func(to string) string {
		return "HTTP/1.1 302 Found\r\nLocation: " + to + "\r\nContent-Length: 0\r\n\r\n"
	}
	tests := []struct {
		name, login, mailbox string
		want                 Cause
	}{
		{"mailbox", session, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Right},
		{"choice-of-a-language", session, redirect("/owa/languageselection.aspx"), Right},
		{"wrong-password", redirect("/owa/auth/logon.aspx?url=x&reason=2"), "", Refused},
		{"back-to-the-form", redirect("/owa/Auth/Logon.aspx?url=x&reason=0"), "", Wrong},
		{"no-session", redirect("/owa/"), "", Wrong},
		{"session-unknown", session, redirect("/owa/auth/logon.aspx"), Wrong},
		{"session-timed-out", session, "HTTP/1.1 440 Login Timeout\r\nContent-Length: 0\r\n\r\n", Wrong},
		{"no-mailbox", session, "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", Wrong},
		{"form-again", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "", Wrong},
		{"closes-behind-the-login", session, "", Closed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			asked := make(chan string, 1)
			p := &LoginProbe{Question: AskOWA, Account: someone, Endpoint: serve(t, func(c net.Conn) {
				readHead(c)
				io.WriteString(c, tt.login)
				select {
				case asked <- readHead(c):
				default:
				}
				io.WriteString(c, tt.mailbox)
			})}
			if err := p.Check(t.Context()); CauseOf(err) != tt.want {
				t.Errorf("Check() = %v, %v; want %v", err, CauseOf(err), tt.want)
			}
			if tt.want == Right {
				if head := <-asked; !strings.Contains(head, "\r\nCookie: cadata=abc; id=1\r\n") {
					t.Errorf("the mailbox is asked for by %q", head)
				}
			}
		})
	}
}

// FuzzCookiesOf: what is sent back is of the answer, bounded, and no header of its
// own.
func FuzzCookiesOf(f *testing.F) {
	f.Add("cadata=abc; path=/", "id=1")
	f.Add("=x", "x=")
	f.Add("a=b", strings.Repeat("c=d", 5000))
	f.Fuzz(func(t *testing.T, first, second string) {
		if strings.ContainsAny(first+second, "\r\n") {
			return // no head is read with one in a line
		}
		got := cookiesOf(http.Header{"Set-Cookie": {first, second}})
		if len(got) > maxCookies+2 || strings.ContainsAny(got, "\r\n") {
			t.Errorf("cookiesOf(%q, %q) = %q", first, second, got)
		}
		for pair := range strings.SplitSeq(got, "; ") {
			if pair != "" && !strings.Contains(first, pair) && !strings.Contains(second, pair) {
				t.Errorf("cookiesOf(%q, %q) holds %q", first, second, pair)
			}
		}
	})
}
