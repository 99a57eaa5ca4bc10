package e2e

import (
	"crypto"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"software.sslmate.com/src/go-pkcs12"

	"casbah/internal/pki/pkitest"
)

// subjects is a server that answers with the lines that it got under one name, in any
// spelling.
func subjects(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, values := range r.Header {
			if strings.EqualFold(strings.ReplaceAll(name, "_", "-"), "X-Client-Subject") {
				for _, v := range values {
					_, _ = fmt.Fprintf(w, "[%s]", v)
				}
			}
		}
		_, _ = io.WriteString(w, ".")
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// forge sends what only casbah may say, and returns what the server believes.
func forge(t *testing.T, conn io.ReadWriter) string {
	t.Helper()
	if _, err := io.WriteString(conn, "GET /owa/ HTTP/1.1\r\nHost: mail\r\nX-Client-Subject: CN=admin\r\nx-client-SUBJECT: CN=admin\r\n"+
		"X_Client_Subject: CN=admin\r\nConnection: close, X-Client-Subject\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := strings.Cut(string(text), "\r\n\r\n")
	return body
}

// Clients are known by their certificates: who has none, a revoked or a foreign one
// is refused where one is required; the server is told the subject of the others, and
// nobody can say it himself, on any VIP.
func TestClientCertificates(t *testing.T) {
	engines(t, func(t *testing.T, m mode) {
		for _, auth := range []string{"request", "require"} {
			t.Run(auth, func(t *testing.T) {
				ca, other := pkitest.NewAuthority(t, "Staff"), pkitest.NewAuthority(t, "Others")
				key := pkitest.ECDSA(t)
				alice, bob := ca.Issue(t, key, time.Hour, "alice"), ca.Issue(t, key, time.Hour, "bob")
				caFile := pkitest.Write(t, "ca.pem", pkitest.CertBlock(ca.Cert))
				crl := pkitest.Write(t, "crl.pem", ca.Revoke(t, time.Now().Add(time.Hour), bob.Leaf))
				r := newRig(t, setup{
					mode: mode{engine: m.engine, vip: "tls"}, servers: []string{subjects(t)}, profiles: `"owa"`,
					extra: fmt.Sprintf("[vip.tls]\nclient_auth = %q\nclient_ca = %q\nclient_crl = %q\nclient_header = \"X-Client-Subject\"\nhsts = \"24h\"\n",
						auth, caFile, crl) + unprobed("owa"),
				})
				for _, tt := range []struct {
					name  string
					shows *tls.Certificate
					want  string // of the server's answer; empty: refused
				}{
					{"none", nil, map[string]string{"request": ".", "require": ""}[auth]},
					{"alice", alice, "[CN=alice]."},
					{"revoked", bob, ""},
					{"foreign", other.Issue(t, key, time.Hour, "alice"), ""},
				} {
					cfg := &tls.Config{RootCAs: r.roots, ServerName: "localhost", ClientSessionCache: tls.NewLRUClientSessionCache(1)}
					cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
						if tt.shows == nil {
							return new(tls.Certificate), nil
						}
						return tt.shows, nil
					}
					for range 2 { // the second resumes
						got := ""
						if conn, err := tls.Dial("tcp", r.tls, cfg); err == nil {
							_ = conn.SetDeadline(time.Now().Add(patience))
							got = refusable(t, conn, tt.want != "")
							_ = conn.Close()
						}
						if got != tt.want {
							t.Errorf("%s: the server is told %q; want %q", tt.name, got, tt.want)
						}
					}
				}
				plain := r.at("plain").wire(t, "127.0.0.2")
				if got := forge(t, plain.Conn); got != "." {
					t.Errorf("through the plain VIP the server is told %q; want nothing", got)
				}
			})
		}
	})
}

// refusable is forge on a connection that may be refused behind the client's part of
// the handshake, as TLS 1.3 has it.
func refusable(t *testing.T, conn *tls.Conn, must bool) string {
	t.Helper()
	if must {
		return forge(t, conn)
	}
	_, _ = io.WriteString(conn, "GET /owa/ HTTP/1.1\r\nHost: mail\r\nConnection: close\r\n\r\n")
	text, _ := io.ReadAll(conn)
	return string(text)
}

// Browsers are told to stay with https by the VIP that has it, and by no other.
func TestStrictTransportSecurity(t *testing.T) {
	engines(t, func(t *testing.T, m mode) {
		r := newRig(t, setup{
			mode: m, servers: []string{subjects(t)}, profiles: `"owa"`,
			extra: "[vip.tls]\nhsts = \"8760h\"\nhsts_subdomains = true\n" + unprobed("owa"),
		})
		for vip, want := range map[string]string{"tls": "max-age=31536000; includeSubDomains", "plain": ""} {
			for _, path := range []string{"/owa/", "/nowhere"} {
				if got := r.at(vip).client("127.0.0.2").get(path).header.Get("Strict-Transport-Security"); got != want {
					t.Errorf("%s%s: %q; want %q", vip, path, got, want)
				}
			}
		}
	})
}

// A VIP shows each client the certificate of the name that it asks for, with the key
// that it can use, whatever forms the files have.
func TestCertificatesOfAVIP(t *testing.T) {
	engines(t, func(t *testing.T, m mode) {
		ca := pkitest.NewAuthority(t, "Test CA")
		ec, rs := pkitest.ECDSA(t), pkitest.RSA(t)
		words := pkitest.WriteText(t, "words", "Secret 1\r\n")
		pfx := func(key crypto.Signer, names ...string) string {
			data, err := pkcs12.Modern2023.Encode(key, ca.Issue(t, key, time.Hour, names...).Leaf, nil, "Secret 1")
			if err != nil {
				t.Fatal(err)
			}
			return fmt.Sprintf("[[vip.certificate]]\ncert = %q\npassphrase_file = %q\n", pkitest.WriteText(t, "mail.pfx", string(data)), words)
		}
		both := pkitest.Write(t, "both.pem", pkitest.CertBlock(ca.Issue(t, ec, time.Hour, "*.example.org").Leaf), pkitest.KeyBlock(t, ec))
		r := newRig(t, setup{
			mode: m, servers: []string{subjects(t)}, profiles: `"owa"`,
			extra: pfx(rs, "mail.example.org") + pfx(ec, "mail.example.org") + fmt.Sprintf("[[vip.certificate]]\ncert = %q\n", both) + unprobed("owa"),
		})
		old := []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}
		for _, tt := range []struct {
			name, want string
			key        string
			suites     []uint16
		}{
			{"mail.example.org", "mail.example.org", "ECDSA", nil},
			{"mail.example.org", "mail.example.org", "RSA", old},
			{"imap.example.org", "*.example.org", "ECDSA", nil},
			{"localhost", "localhost", "ECDSA", nil},
			{"mail.example.net", "localhost", "ECDSA", nil},
		} {
			cfg := &tls.Config{ServerName: tt.name, InsecureSkipVerify: true, CipherSuites: tt.suites}
			if tt.suites != nil {
				cfg.MaxVersion = tls.VersionTLS12
			}
			conn, err := tls.Dial("tcp", r.tls, cfg)
			if err != nil {
				t.Fatal(err)
			}
			leaf := conn.ConnectionState().PeerCertificates[0]
			_ = conn.Close()
			if leaf.DNSNames[0] != tt.want || leaf.PublicKeyAlgorithm.String() != tt.key {
				t.Errorf("%s: the certificate of %s with %v; want %s, %s", tt.name, leaf.DNSNames[0], leaf.PublicKeyAlgorithm, tt.want, tt.key)
			}
		}
	})
}

// A client is known by its certificate to the step mailbox, wherever it comes from.
func TestMailboxOfAClientCertificate(t *testing.T) {
	engines(t, func(t *testing.T, m mode) {
		ca := pkitest.NewAuthority(t, "Staff")
		r := newRig(t, setup{
			mode: mode{engine: m.engine, vip: "tls"}, profiles: `"owa"`, pool: "algorithm = \"round_robin\"\n",
			extra: fmt.Sprintf("[vip.tls]\nclient_auth = \"require\"\nclient_ca = %q\n[profile.owa]\nchain = [{ by = \"mailbox\" }]\n",
				pkitest.Write(t, "ca.pem", pkitest.CertBlock(ca.Cert))),
		})
		servers := make(map[string]string)
		for _, name := range []string{"alice", "bob", "carol"} {
			cert := ca.Issue(t, pkitest.ECDSA(t), time.Hour, name)
			for i := range 6 {
				c := r.client(fmt.Sprintf("127.0.%d.%d", 2+i, 2+len(name)))
				c.Transport.(*http.Transport).TLSClientConfig.Certificates = []tls.Certificate{*cert}
				a := c.do("GET", "/owa/", "")
				if i == 0 {
					servers[name] = a.server
				}
				if a.server == "" || a.server != servers[name] {
					t.Errorf("%s, visit %d: by %q; want %q, as at first", name, i+1, a.server, servers[name])
				}
				c.CloseIdleConnections()
			}
		}
		if servers["alice"] == servers["bob"] && servers["bob"] == servers["carol"] {
			t.Errorf("all are served by %s; want that they are balanced", servers["bob"])
		}
	})
}
