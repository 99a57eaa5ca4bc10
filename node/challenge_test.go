package node

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"casbah/internal/pki/pkitest"
	"casbah/internal/tlsid"
	"casbah/tlsterm"
)

// The handshake of an ACME server is all there is to its connection: by it nobody gets
// in who would have to show a certificate, or to speak a newer TLS.
func TestChallengeLetsNobodyIn(t *testing.T) {
	for _, engine := range []string{"reactor", "net"} {
		t.Run(engine, func(t *testing.T) {
			dir := t.TempDir()
			writePair(t, dir, time.Now().Add(-time.Hour), time.Now().Add(365*24*time.Hour))
			ca := pkitest.NewAuthority(t, "Staff")
			text := fmt.Sprintf("engine = %q\n", engine) + strings.Replace(fmt.Sprintf(poolText+vipText, silentServer(t), silentServer(t), "", "mail"), `"http"`, `"https"`, 1) +
				"certificate = [{ cert = \"cert.pem\", key = \"key.pem\" }]\n" +
				fmt.Sprintf("tls = { policy = \"modern\", client_auth = \"require\", client_ca = %q }\n", pkitest.Write(t, "ca.pem", pkitest.CertBlock(ca.Cert))) + unprobed
			r := newRig(t, dir, text)
			r.challenges.AnswerTLS("mail.example.org", ca.Issue(t, pkitest.ECDSA(t), time.Hour, "mail.example.org"))
			for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
				conn, err := tls.Dial("tcp", r.Addrs("mail")[0].String(), &tls.Config{
					ServerName: "mail.example.org", RootCAs: ca.Pool(), NextProtos: []string{tlsterm.ChallengeProtocol}, MinVersion: version, MaxVersion: version,
				})
				if err != nil {
					t.Fatalf("%s: the ACME server gets no handshake: %v", tls.VersionName(version), err)
				}
				_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
				if got := conn.ConnectionState().NegotiatedProtocol; got != tlsterm.ChallengeProtocol {
					t.Errorf("%s: protocol %q", tls.VersionName(version), got)
				}
				_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: mail.example.org\r\n\r\n")
				if said, err := io.ReadAll(conn); len(said) > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("%s: behind the handshake casbah says %q, %v; want the end", tls.VersionName(version), said, err)
				}
				_ = conn.Close()
			}
		})
	}
}

// carrier is a connection below a handshake.
type carrier struct {
	net.Conn
	note tlsid.Note
}

func (c *carrier) TLSNote() *tlsid.Note { return &c.note }

// An ACME server comes by TLS from the first octet on: behind STARTTLS there is no
// challenge.
func TestNoChallengeBehindSTARTTLS(t *testing.T) {
	dir := t.TempDir()
	writePair(t, dir, time.Now().Add(-time.Hour), time.Now().Add(365*24*time.Hour))
	r := newRig(t, dir, fmt.Sprintf(poolText, silentServer(t), silentServer(t), "")+tcpVIP("imap", "127.0.0.1:0", "imap4")+
		"starttls = true\ncertificate = [{ cert = \"cert.pem\", key = \"key.pem\" }]\n[profile.imap4.probe]\nkind = \"none\"\n")
	ca := pkitest.NewAuthority(t, "Test CA")
	r.challenges.AnswerTLS("mail.example.org", ca.Issue(t, pkitest.ECDSA(t), time.Hour, "mail.example.org"))
	hello := &tls.ClientHelloInfo{ServerName: "mail.example.org", SupportedProtos: []string{tlsterm.ChallengeProtocol}, Conn: new(carrier)}
	conf, err := r.entries["imap"].listener.StartTLS.GetConfigForClient(hello)
	if err != nil || slices.Contains(conf.NextProtos, tlsterm.ChallengeProtocol) {
		t.Errorf("behind STARTTLS a challenge is answered: %v, %v", conf.NextProtos, err)
	}
}
