package acmecert

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"golang.org/x/crypto/acme"
)

const (
	// orderTimeout bounds one order, with all that the server looks at.
	orderTimeout = 5 * time.Minute

	// leaveTimeout bounds telling the server that an order is given up.
	leaveTimeout = 10 * time.Second
)

// backoff says how long to wait before a request is made again that the server has
// not taken; negative: it is not. A nonce that was used up is replaced at once. Who
// is told when to come back does, but not within this order.
func backoff(n int, _ *http.Request, res *http.Response) time.Duration {
	switch {
	case res.Header.Get("Retry-After") != "", res.StatusCode == http.StatusTooManyRequests:
		return -1
	case res.StatusCode < 500 && n <= 10:
		return time.Duration(n) * 10 * time.Millisecond
	case n <= 3:
		return time.Duration(n) * time.Second
	default:
		return -1
	}
}

// retryAfter returns how long the server wants to be left alone because of err; 0:
// it does not say.
func retryAfter(err error, now time.Time) time.Duration {
	e, ok := errors.AsType[*acme.Error](err)
	if !ok {
		return 0
	}
	text := e.Header.Get("Retry-After")
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return at.Sub(now)
	}
	return 0
}

// obtain gets one certificate. It returns its file: the chain, and the key, which
// is a new one each time.
func (a *account) obtain(ctx context.Context, s *Spec, solver Solver) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, orderTimeout)
	defer cancel()
	if err := a.signUp(ctx); err != nil {
		return nil, err
	}
	order, err := a.client.AuthorizeOrder(ctx, acme.DomainIDs(s.Names...))
	if err != nil {
		return nil, fmt.Errorf("order: %w", err)
	}
	if err := a.authorize(ctx, order, solver); err != nil {
		return nil, err
	}
	at := order.URI // later answers need not repeat it
	if order, err = a.client.WaitOrder(ctx, at); err != nil {
		return nil, fmt.Errorf("order: %w", err)
	}
	order.URI = at
	key, csr, err := request(s)
	if err != nil {
		return nil, err
	}
	chain, _, err := a.client.CreateCertFromOrder(ctx, order, csr, true)
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	return file(s, key, chain)
}

// authorize shows the server that the names of the order are ours.
func (a *account) authorize(ctx context.Context, order *acme.Order, solver Solver) (err error) {
	defer solver.Clear()
	var open []string
	defer func() {
		if err != nil {
			a.leave(ctx, open)
		}
	}()
	var accept []*acme.Challenge
	for _, url := range order.AuthzURLs {
		z, err := a.client.GetAuthorization(ctx, url)
		if err != nil {
			return fmt.Errorf("authorization: %w", err)
		}
		if z.Status == acme.StatusValid {
			continue // from an order of before
		}
		open = append(open, url)
		chal, err := a.prepare(z, solver)
		if err != nil {
			return fmt.Errorf("%s: %w", z.Identifier.Value, err)
		}
		accept = append(accept, chal)
	}
	for _, chal := range accept {
		if _, err := a.client.Accept(ctx, chal); err != nil {
			return fmt.Errorf("challenge: %w", err)
		}
	}
	for len(open) > 0 {
		if _, err := a.client.WaitAuthorization(ctx, open[0]); err != nil {
			return said(err)
		}
		open = open[1:]
	}
	return nil
}

// said returns what a server says of a name that it has not found to be ours.
func said(err error) error {
	if e, ok := errors.AsType[*acme.AuthorizationError](err); ok && len(e.Errors) > 0 {
		return fmt.Errorf("%s: %w", e.Identifier, errors.Join(e.Errors...))
	}
	return fmt.Errorf("authorization: %w", err)
}

// prepare has the challenge of a name answered.
func (a *account) prepare(z *acme.Authorization, solver Solver) (*acme.Challenge, error) {
	at := slices.IndexFunc(z.Challenges, func(c *acme.Challenge) bool { return c.Type == a.conf.Challenge })
	if at < 0 {
		return nil, fmt.Errorf("the server does not offer the challenge %s", a.conf.Challenge)
	}
	chal := z.Challenges[at]
	if chal.Type == HTTP01 {
		answer, err := a.client.HTTP01ChallengeResponse(chal.Token)
		if err != nil {
			return nil, err
		}
		solver.AnswerHTTP(chal.Token, answer)
		return chal, nil
	}
	cert, err := a.client.TLSALPN01ChallengeCert(chal.Token, z.Identifier.Value)
	if err != nil {
		return nil, err
	}
	solver.AnswerTLS(z.Identifier.Value, &cert)
	return chal, nil
}

// leave tells the server not to wait for names any more: what is open counts
// against its limits.
func (a *account) leave(ctx context.Context, open []string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTimeout)
	defer cancel()
	for _, url := range open {
		_ = a.client.RevokeAuthorization(ctx, url) // one that has failed is over already
	}
}

// request makes a key and the request for a certificate of it.
func request(s *Spec) (key crypto.Signer, csr []byte, err error) {
	if s.Key == RSA {
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	} else {
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if err != nil {
		return nil, nil, err
	}
	csr, err = x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: s.Names}, key)
	return key, csr, err
}

// file is the file of a certificate. What the server has sent is looked at before
// it replaces anything.
func file(s *Spec, key crypto.Signer, chain [][]byte) ([]byte, error) {
	if len(chain) == 0 {
		return nil, errors.New("certificate: the server has sent none")
	}
	leaf, err := x509.ParseCertificate(chain[0])
	for i := 1; err == nil && i < len(chain); i++ {
		_, err = x509.ParseCertificate(chain[i]) // whoever reads the file reads all of it
	}
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	for _, name := range s.Names {
		if err := leaf.VerifyHostname(name); err != nil {
			return nil, fmt.Errorf("certificate: %w", err)
		}
	}
	if public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool }); !ok || !public.Equal(leaf.PublicKey) {
		return nil, errors.New("certificate: the server has sent one of another key")
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	for _, cert := range chain {
		if err := pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: cert}); err != nil {
			return nil, err
		}
	}
	err = pem.Encode(&text, &pem.Block{Type: "PRIVATE KEY", Bytes: der})
	return text.Bytes(), err
}
