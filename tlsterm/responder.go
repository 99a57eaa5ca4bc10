package tlsterm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"syscall"
	"time"
)

// responderTimeout bounds one question to a responder, its redirects included.
const responderTimeout = 10 * time.Second

// mostHead is the longest head of an answer, in octets: what is wrong with one is told.
const mostHead = 4 << 10

// responders asks them. A connection is not kept: the next question is days away.
var responders = &http.Client{
	Transport: &http.Transport{
		Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true, ResponseHeaderTimeout: responderTimeout, MaxResponseHeaderBytes: mostHead,
	},
	Timeout: responderTimeout,
}

// askResponder asks a responder by POST (RFC 6960, Appendix A.1).
func askResponder(ctx context.Context, at string, question []byte) ([]byte, error) {
	u, err := url.Parse(at)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("the certificate names %q as its responder, which is no URL of http", at)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, at, bytes.NewReader(question))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/ocsp-request")
	req.Header.Set("Accept", "application/ocsp-response")
	resp, err := responders.Do(req)
	if err != nil {
		return nil, unreached(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the responder answers %d %s", resp.StatusCode, http.StatusText(resp.StatusCode))
	}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, mostStaple+1))
	if err != nil {
		return nil, unreached(err)
	}
	return raw, nil
}

// unreached is err without the addresses that package net puts around it: casbah's own
// port is another one each time, and what stays the same is told of once.
func unreached(err error) error {
	if e, ok := errors.AsType[*net.DNSError](err); ok {
		return fmt.Errorf("no address of %s is found", e.Name)
	}
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		return errors.New("the responder does not answer in time")
	}
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return fmt.Errorf("the responder cannot be reached: %w", errno)
	}
	return err
}
