package tlsterm

import (
	"crypto/tls"
	"crypto/x509/pkix"
	"strings"
	"testing"
	"time"

	"casbah/internal/pki/pkitest"
)

// asking is a server that asks its clients for certificates, as casbah has it.
type asking struct {
	*ClientAuth
	server *tls.Config
	client *tls.Config // shows nothing yet
}

func newAsking(t *testing.T, required bool, ca, crl string) *asking {
	t.Helper()
	auth, err := LoadClientAuth(required, ca, crl)
	if err != nil {
		t.Fatal(err)
	}
	certs, client := mailServer(t)
	a := &asking{auth, ServerConfig(certs, Policy{}), client}
	auth.Apply(a.server)
	return a
}

// try returns what both sides make of a client that shows a certificate, or none.
func (a *asking) try(t *testing.T, version uint16, cert *tls.Certificate) error {
	t.Helper()
	client := a.client.Clone()
	client.MaxVersion = version
	if cert != nil {
		// Whether or not the server names who has issued it.
		client.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return cert, nil }
	}
	_, serverErr, clientErr := handshake(t, a.server, client)
	if serverErr != nil {
		return serverErr
	}
	return clientErr
}

func TestClientCertificates(t *testing.T) {
	ca, other := pkitest.NewAuthority(t, "Clients"), pkitest.NewAuthority(t, "Others")
	sub := ca.Intermediate(t, "Branch")
	key := pkitest.ECDSA(t)
	alice, bob := ca.Issue(t, key, time.Hour, "alice"), ca.Issue(t, key, time.Hour, "bob")
	branch := sub.Issue(t, key, time.Hour, "carol")
	branch.Certificate = append(branch.Certificate, sub.Cert.Raw)
	lost := ca.Intermediate(t, "Lost branch")
	dave := lost.Issue(t, key, time.Hour, "dave")
	dave.Certificate = append(dave.Certificate, lost.Cert.Raw)
	caFile := pkitest.Write(t, "ca.pem", pkitest.CertBlock(ca.Cert))
	crlFile := pkitest.Write(t, "crl.pem", ca.Revoke(t, time.Now().Add(time.Hour), bob.Leaf, lost.Cert))
	for _, tt := range []struct {
		name     string
		shows    *tls.Certificate
		request  string // in the error; empty: let in
		required string
	}{
		{"nothing", nil, "", "client didn't provide a certificate"},
		{"good", alice, "", ""},
		{"by-a-branch", branch, "", ""},
		{"revoked", bob, "revoked", "revoked"},
		{"branch-revoked", dave, "revoked", "revoked"},
		{"expired", ca.Issue(t, key, -time.Minute, "alice"), "expired", "expired"},
		{"foreign", other.Issue(t, key, time.Hour, "alice"), "unknown authority", "unknown authority"},
		{"long", long(t, ca), "too long", "too long"},
	} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			for required, want := range map[bool]string{false: tt.request, true: tt.required} {
				t.Run(tt.name+"/"+tls.VersionName(version)+"/"+map[bool]string{false: "request", true: "require"}[required], func(t *testing.T) {
					err := newAsking(t, required, caFile, crlFile).try(t, version, tt.shows)
					if (want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), want) {
						t.Errorf("handshake: %v; want %q", err, want)
					}
				})
			}
		}
	}
}

// long is a certificate whose subject is longer than a header should be.
func long(t *testing.T, ca *pkitest.Authority) *tls.Certificate {
	t.Helper()
	return ca.IssueTo(t, pkitest.ECDSA(t), pkix.Name{CommonName: strings.Repeat("x", mostSubject)})
}

// A certificate that is revoked, or whose authority is taken out of the file, is
// refused from then on, without a reload, and where its session is resumed too.
func TestClientCertificatesAreLookedAtAnew(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			ca, other := pkitest.NewAuthority(t, "Clients"), pkitest.NewAuthority(t, "Others")
			alice := ca.Issue(t, pkitest.ECDSA(t), time.Hour, "alice")
			caFile := pkitest.Write(t, "ca.pem", pkitest.CertBlock(ca.Cert))
			crlFile := pkitest.Write(t, "crl.pem", ca.Revoke(t, time.Now().Add(time.Hour)))
			a := newAsking(t, true, caFile, crlFile)
			a.client.ClientSessionCache = tls.NewLRUClientSessionCache(1)
			a.client.Certificates, a.client.MaxVersion = []tls.Certificate{*alice}, version
			for _, resumed := range []bool{false, true} {
				if s := mustShake(t, a.server, a.client); s.DidResume != resumed {
					t.Errorf("resumed %v; want %v", s.DidResume, resumed)
				}
			}
			refused := func(why string) {
				t.Helper()
				if _, serverErr, _ := handshake(t, a.server, a.client); serverErr == nil || !strings.Contains(serverErr.Error(), why) {
					t.Errorf("handshake: %v; want %s", serverErr, why)
				}
			}
			change := func(file string, want int, replace func()) {
				t.Helper()
				replace()
				got := a.Refresh(time.Now())
				if len(got) != want || want == 1 && (got[0].Err != nil || !strings.Contains(got[0].File, file)) {
					t.Errorf("Refresh() = %v; want %d changes", got, want)
				}
			}
			change(crlFile, 1, func() { pkitest.Replace(t, crlFile, ca.Revoke(t, time.Now().Add(time.Hour), alice.Leaf)) })
			refused("revoked")
			change(crlFile, 1, func() { pkitest.Replace(t, crlFile, ca.Revoke(t, time.Now().Add(time.Hour))) })
			mustShake(t, a.server, a.client)
			change(caFile, 0, func() {})
			// A list that nobody known has signed, and a file without one, change nothing.
			pkitest.Replace(t, crlFile, other.Revoke(t, time.Now().Add(time.Hour), alice.Leaf))
			if got := a.Refresh(time.Now()); len(got) != 1 || got[0].Err == nil {
				t.Errorf("Refresh() = %v; want a refusal", got)
			}
			mustShake(t, a.server, a.client)
			pkitest.Replace(t, crlFile, other.Revoke(t, time.Now().Add(time.Hour)))
			change(caFile, 1, func() { pkitest.Replace(t, caFile, pkitest.CertBlock(other.Cert)) })
			refused("unknown authority")
		})
	}
}

// Clients that choose a certificate by the authorities that a server names, as browsers
// do, are told those of the file as it is now.
func TestAuthoritiesAreNamedAnew(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		before, now := pkitest.NewAuthority(t, "Clients"), pkitest.NewAuthority(t, "Next clients")
		file := pkitest.Write(t, "ca.pem", pkitest.CertBlock(before.Cert))
		a := newAsking(t, true, file, "")
		server := &tls.Config{GetConfigForClient: NewTicketKeys(noon).Sessions(a.server, a.ClientAuth).Config}
		show := func(ca *pkitest.Authority) error {
			client := a.client.Clone()
			client.MaxVersion, client.Certificates = version, []tls.Certificate{*ca.Issue(t, pkitest.ECDSA(t), time.Hour, "alice")}
			_, err, _ := handshake(t, server, client)
			return err
		}
		if err := show(before); err != nil {
			t.Errorf("%s: %v", tls.VersionName(version), err)
		}
		pkitest.Replace(t, file, pkitest.CertBlock(now.Cert))
		a.Refresh(time.Now())
		if err := show(now); err != nil {
			t.Errorf("%s: a certificate of the new authority: %v", tls.VersionName(version), err)
		}
	}
}

// A session that began where nobody asked for a certificate does not let a client in
// where one is required.
func TestClientCertificatesAndForeignSessions(t *testing.T) {
	ca := pkitest.NewAuthority(t, "Clients")
	a := newAsking(t, true, pkitest.Write(t, "ca.pem", pkitest.CertBlock(ca.Cert)), "")
	open := a.server.Clone()
	open.ClientAuth, open.VerifyConnection = tls.NoClientCert, nil
	var key [32]byte
	open.SetSessionTicketKeys([][32]byte{key})
	a.server.SetSessionTicketKeys([][32]byte{key})
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		client := a.client.Clone()
		client.ClientSessionCache, client.MaxVersion = tls.NewLRUClientSessionCache(1), version
		mustShake(t, open, client)
		if s := mustShake(t, open, client); !s.DidResume {
			t.Fatal("the session is not resumed where it began")
		}
		if _, err, _ := handshake(t, a.server, client); err == nil {
			t.Errorf("%s: a client without a certificate is let in", tls.VersionName(version))
		}
	}
}

// A client whose certificate is revoked gets in with its next one, although it has a
// session that began with the first; so it does where another VIP wants a certificate of
// other authorities. Those of others go on.
func TestNextCertificateOfAClient(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			ca, other := pkitest.NewAuthority(t, "Clients"), pkitest.NewAuthority(t, "Others")
			first, next := ca.Issue(t, pkitest.ECDSA(t), time.Hour, "alice"), ca.Issue(t, pkitest.ECDSA(t), time.Hour, "alice")
			crlFile := pkitest.Write(t, "crl.pem", ca.Revoke(t, time.Now().Add(time.Hour)))
			keys := NewTicketKeys(noon)
			outer := func(a *asking) *tls.Config {
				return &tls.Config{GetConfigForClient: keys.Sessions(a.server, a.ClientAuth).Config}
			}
			a := newAsking(t, true, pkitest.Write(t, "ca.pem", pkitest.CertBlock(ca.Cert)), crlFile)
			shown := first
			a.client.MaxVersion, a.client.ClientSessionCache = version, tls.NewLRUClientSessionCache(1)
			a.client.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return shown, nil }
			for _, resumed := range []bool{false, true} {
				if s := mustShake(t, outer(a), a.client); s.DidResume != resumed {
					t.Errorf("resumed %v; want %v", s.DidResume, resumed)
				}
			}
			pkitest.Replace(t, crlFile, ca.Revoke(t, time.Now().Add(time.Hour), first.Leaf))
			a.Refresh(time.Now())
			if _, err, _ := handshake(t, outer(a), a.client); err == nil || !strings.Contains(err.Error(), "revoked") {
				t.Errorf("with a revoked certificate: %v", err)
			}
			shown = next
			for _, resumed := range []bool{false, true} {
				if s := mustShake(t, outer(a), a.client); s.DidResume != resumed {
					t.Errorf("with the next one: resumed %v; want %v", s.DidResume, resumed)
				}
			}
			b := newAsking(t, true, pkitest.Write(t, "ca.pem", pkitest.CertBlock(other.Cert)), "")
			b.server.GetCertificate = a.server.GetCertificate
			shown = other.Issue(t, pkitest.ECDSA(t), time.Hour, "alice")
			if s := mustShake(t, outer(b), a.client); s.DidResume {
				t.Error("a session is resumed that began with a certificate of other authorities")
			}
		})
	}
}

func TestRevocationListOverdue(t *testing.T) {
	ca := pkitest.NewAuthority(t, "Clients")
	caFile := pkitest.Write(t, "ca.pem", pkitest.CertBlock(ca.Cert))
	end := time.Now().Add(time.Hour).Truncate(time.Second)
	bob := ca.Issue(t, pkitest.ECDSA(t), 3*time.Hour, "bob")
	a := newAsking(t, true, caFile, pkitest.Write(t, "crl.pem", ca.Revoke(t, end, bob.Leaf), ca.Revoke(t, end.Add(time.Hour))))
	if got := a.Overdue(end); !got.IsZero() {
		t.Errorf("Overdue(at its end) = %v; want none", got)
	}
	if got := a.Overdue(end.Add(time.Second)); !got.Equal(end) {
		t.Errorf("Overdue(behind its end) = %v; want %v", got, end)
	}
	if got := newAsking(t, true, caFile, "").Overdue(end.Add(24 * time.Hour)); !got.IsZero() {
		t.Errorf("Overdue without a list = %v; want none", got)
	}
}
