package e2e

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"casbah/lab"
)

// S13, S14: POP3 and IMAP4 have no affinity, so connections of one address come to
// all servers. S22, S23, S24: the three RPC profiles, the endpoint mapper too, keep
// an address on one. S25: there, too, the algorithm chooses once.
func TestAffinityOfRelayedProfiles(t *testing.T) {
	for profile, sticks := range map[string]bool{
		"pop3": false, "imap4": false, "rpc_client_access": true, "rpc_address_book": true, "rpc_endpoint_mapper": true,
	} {
		t.Run(profile, func(t *testing.T) {
			engines(t, func(t *testing.T, m mode) {
				_, addresses := origins(t, 3)
				r := newRelay(t, relaySetup{mode: m, profile: profile, servers: addresses, extra: unprobed(profile)})
				for _, source := range []string{"127.0.0.2", "127.0.0.3"} {
					seen := make(map[string]int)
					for range 6 {
						seen[r.visit(source)]++
					}
					if sticks && len(seen) != 1 || !sticks && len(seen) != 3 {
						t.Errorf("six connections from %s are served by %v; want one server: %v", source, seen, sticks)
					}
				}
			})
		})
	}
}

// S112: any server serves any connection of IMAP4. Two at once of one user are on
// two servers, and one reads there what the other one has put into the mailbox.
func TestIMAPOnTwoServersAtOnce(t *testing.T) {
	engines(t, func(t *testing.T, m mode) {
		array := newArray(t, lab.Options{Servers: 2, Mail: true})
		var servers []string
		for _, s := range array.Servers() {
			servers = append(servers, s.MailAddr("imap4", false))
		}
		r := newRelay(t, relaySetup{mode: m, profile: "imap4", servers: servers, extra: unprobed("imap4")})
		var sessions []*imapclient.Client
		for range 2 {
			c := imapclient.New(r.wire(t, "127.0.0.2").Conn, nil)
			if err := c.Login("alice", "Secret1").Wait(); err != nil {
				t.Fatal(err)
			}
			if _, err := c.Select("INBOX", nil).Wait(); err != nil {
				t.Fatal(err)
			}
			sessions = append(sessions, c)
		}
		for i, s := range array.Servers() {
			if n := s.Counts().Logons; n != 1 {
				t.Errorf("server %d has %d sessions; want 1", i+1, n)
			}
		}
		const text = "Subject: draft\r\n\r\nhello\r\n"
		put := sessions[0].Append("INBOX", int64(len(text)), nil)
		_, _ = io.WriteString(put, text)
		if err := put.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := put.Wait(); err != nil {
			t.Fatal(err)
		}
		if err := sessions[1].Noop().Wait(); err != nil {
			t.Fatal(err)
		}
		body := &imap.FetchItemBodySection{}
		got, err := sessions[1].Fetch(imap.SeqSetNum(sessions[1].Mailbox().NumMessages),
			&imap.FetchOptions{BodySection: []*imap.FetchItemBodySection{body}}).Collect()
		if err != nil || len(got) != 1 || string(got[0].FindBodySection(body)) != text {
			t.Errorf("the other session reads %+v, %v; want %q", got, err, text)
		}
		for _, c := range sessions {
			if err := c.Logout().Wait(); err != nil {
				t.Error(err)
			}
		}
	})
}

// S109: without a look at what is said, connections are shared by weight.
func TestRelayByWeight(t *testing.T) {
	engines(t, func(t *testing.T, m mode) {
		_, addresses := origins(t, 3)
		r := newRelay(t, relaySetup{mode: m, profile: "imap4", servers: addresses, extra: unprobed("imap4")})
		text := r.read()
		for server, weight := range map[string]int{"cas1": 50, "cas2": 30, "cas3": 20} {
			name := fmt.Sprintf("[[server]]\nname = %q\n", server)
			text = strings.Replace(text, name, fmt.Sprintf("%sweight = %d\n", name, weight), 1)
		}
		r.reload(text)
		seen := make(map[string]int)
		for range 20 {
			seen[r.visit("127.0.0.2")]++
		}
		if seen["cas1"] != 10 || seen["cas2"] != 6 || seen["cas3"] != 4 {
			t.Errorf("20 connections are shared as %v; want 10, 6 and 4", seen)
		}
	})
}

// S18: web services know a client by exchangecookie, as the server sets it. S9:
// PowerShell by MS-WSMAN, where the client has lost casbah's own. S10, S7, S8
// likewise, each from an address of its own.
func TestApplicationCookies(t *testing.T) {
	for _, tt := range []struct{ profile, path, cookie, value string }{
		{"ews", "/EWS/Exchange.asmx", "exchangecookie", "5f1e"},
		{"powershell", "/PowerShell/", "MS-WSMAN", "5f1e"},
		{"owa", "/owa/", "UserContext", "5f1e"},
		{"ecp", "/ecp/", "msExchEcpCanary", "5f1e"},
		{"outlook_anywhere", "/rpc/rpcproxy.dll", "OutlookSession", `"{5F1E}"`},
	} {
		t.Run(tt.profile, func(t *testing.T) {
			modes(t, func(t *testing.T, m mode) {
				r := newMirrorRig(t, setup{mode: m}, tt.profile)
				cookie := tt.cookie + "=" + tt.value
				headers := []string{"X-Set", cookie + "; path=/"}
				if tt.cookie == "OutlookSession" { // which the client makes
					headers = []string{"Cookie", cookie}
				}
				home := r.from("127.0.0.2", tt.path, headers...).server
				for i := range 6 {
					source := fmt.Sprintf("127.0.1.%d", i+1)
					if a := r.from(source, tt.path, "Cookie", "a=b; "+cookie); a.server != home || a.status != http.StatusOK {
						t.Errorf("from %s with the cookie: status %d by %s; want 200 by %s", source, a.status, a.server, home)
					}
				}
				seen := make(map[string]bool)
				for i := range 6 {
					seen[r.from(fmt.Sprintf("127.0.2.%d", i+1), tt.path, "Cookie", fmt.Sprintf("%s=%d", tt.cookie, i)).server] = true
				}
				if len(seen) != 3 {
					t.Errorf("with other values six addresses come to %d servers; want 3", len(seen))
				}
			})
		})
	}
}

// S12: a client that makes a new TLS session each time, as those do that never
// resume one, keeps its server by the chain's other keys.
func TestNewTLSSessionsKeepTheServer(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			engines(t, func(t *testing.T, m mode) {
				m.vip = "tls"
				r := newMirrorRig(t, setup{mode: m}, "ews", "oab")
				ask := func(source, head string) string {
					t.Helper()
					d := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(source)}, Timeout: patience}
					conn, err := tls.DialWithDialer(d, "tcp", r.tls, &tls.Config{RootCAs: r.roots, ServerName: "localhost", MinVersion: version, MaxVersion: version})
					if err != nil {
						t.Fatal(err)
					}
					defer conn.Close()
					if conn.ConnectionState().DidResume {
						t.Fatal("the session is an old one")
					}
					w := newWire(t, conn)
					w.within(patience)
					w.say("GET " + head + "\r\n\r\n")
					resp, _ := w.response("GET")
					return resp.Header.Get("X-Lab-Server")
				}
				const ews, oab = "/EWS/ HTTP/1.1\r\nHost: h\r\n", "/OAB/ HTTP/1.1\r\nHost: h"
				byCookie, byAddress := ask("127.0.0.2", ews+"X-Set: exchangecookie=5f1e"), ask("127.0.0.2", oab)
				for i := range 6 {
					if got := ask(fmt.Sprintf("127.0.1.%d", i+1), ews+"Cookie: exchangecookie=5f1e"); got != byCookie {
						t.Errorf("web services: served by %s; want %s", got, byCookie)
					}
					if got := ask("127.0.0.2", oab); got != byAddress {
						t.Errorf("address book: served by %s; want %s", got, byAddress)
					}
				}
			})
		})
	}
}
