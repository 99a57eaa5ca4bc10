package tlsterm

import (
	"crypto/tls"
	"net"
	"testing"

	"casbah/internal/pki/pkitest"
	"casbah/internal/tlsbio"
)

// pipe is a direction of a connection in memory.
type pipe struct{ b []byte }

func (p *pipe) Sealed(b []byte) { p.b = append(p.b, b...) }

func (p *pipe) take() []byte {
	b := p.b
	p.b = nil
	return b
}

// shakeInMemory runs both sides of a handshake, and has the client read the
// ticket behind it.
func shakeInMemory(b *testing.B, server, client *tls.Config) (resumed bool) {
	b.Helper()
	var up, down pipe
	addr := new(net.TCPAddr)
	c, s := tlsbio.Client(client, &up, addr, addr), tlsbio.Server(server, &down, addr, addr)
	defer c.Close()
	defer s.Close()
	for !c.Done() || !s.Done() {
		if _, err := c.Handshake(); err != nil {
			b.Fatal(err)
		}
		s.Feed(up.take())
		if _, err := s.Handshake(); err != nil {
			b.Fatal(err)
		}
		c.Feed(down.take())
	}
	one := make([]byte, 1)
	if err := s.Write(one); err != nil {
		b.Fatal(err)
	}
	c.Feed(down.take())
	if _, err := c.Read(one); err != nil {
		b.Fatal(err)
	}
	return s.State().DidResume
}

// BenchmarkHandshake runs both sides of a handshake: with the tickets of
// crypto/tls alone, and with an identity in them.
func BenchmarkHandshake(b *testing.B) {
	ca := pkitest.NewAuthority(b, "Test CA")
	certs := new(Certs)
	certs.Set([]*tls.Certificate{ca.Issue(b, pkitest.ECDSA(b), 1e12, "mail.example.org")})
	base := ServerConfig(certs, Policy{})
	base.SetSessionTicketKeys([][32]byte{{1}})
	plain := &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return base, nil }}
	servers := []struct {
		name   string
		config *tls.Config
	}{{"off", plain}, {"on", NewTicketKeys(noon).outer(base)}}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, resumed := range []bool{false, true} {
			for _, server := range servers {
				name := "tls=" + tls.VersionName(version)[4:] + "/resumed=" + map[bool]string{false: "no", true: "yes"}[resumed] + "/id=" + server.name
				b.Run(name, func(b *testing.B) {
					client := &tls.Config{ServerName: "mail.example.org", RootCAs: ca.Pool(), MaxVersion: version, CurvePreferences: []tls.CurveID{tls.CurveP256}}
					if resumed {
						client.ClientSessionCache = tls.NewLRUClientSessionCache(1)
						shakeInMemory(b, server.config, client)
					}
					b.ReportAllocs()
					for b.Loop() {
						if shakeInMemory(b, server.config, client) != resumed {
							b.Fatal("resumed is not as it should be")
						}
					}
				})
			}
		}
	}
}
