package health

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// owaPage is what is asked for once logged in.
const owaPage = "/owa/"

// form logs in to OWA as a browser does, and asks for the mailbox with the cookies
// that it was given.
func (s *loginSession) form(ctx context.Context) error {
	p := s.probe
	scheme := "http://"
	if p.Endpoint.TLS != nil {
		scheme = "https://"
	}
	content := url.Values{
		"destination": {scheme + p.host() + owaPage}, "flags": {"0"}, "username": {p.Account.User}, "password": {p.Account.Password},
	}.Encode()
	got, err := s.send(ctx, http.MethodPost, p.head(http.MethodPost, cmp.Or(p.Path, p.Question.path()),
		"Content-Type: application/x-www-form-urlencoded", fmt.Sprintf("Content-Length: %d", len(content)))+content)
	if err != nil {
		return err
	}
	to, cookies := got.header.Get("Location"), cookiesOf(got.header)
	switch {
	case got.code != http.StatusFound:
		return got.not(http.StatusFound)
	case toForm(to) && strings.Contains(to, "reason=2"): // the user or the password is wrong
		return fmt.Errorf("%w: the form says that %s is wrong", ErrRefused, p.Account.User)
	case toForm(to) || cookies == "":
		return errors.New("login: want a session, was led back to the form")
	}
	got, err = s.send(ctx, http.MethodGet, p.head(http.MethodGet, owaPage, "Cookie: "+cookies, "Connection: close"))
	switch {
	case err != nil:
		return err
	case got.code == http.StatusFound && !toForm(got.header.Get("Location")): // to the choice of a language
		return nil
	case got.code == http.StatusFound:
		return errors.New("mailbox: want it, was led back to the form")
	case got.code != http.StatusOK:
		return got.not(http.StatusOK)
	default:
		return nil
	}
}

// toForm reports whether a redirection leads to the form of the login.
func toForm(location string) bool {
	return strings.Contains(strings.ToLower(location), "/auth/logon.aspx")
}

// maxCookies is how much of the cookies of a server is sent back to it, in octets.
const maxCookies = 8 << 10

// cookiesOf returns the cookies of an answer as a request shows them.
func cookiesOf(h http.Header) string {
	var all strings.Builder
	for _, line := range h.Values("Set-Cookie") {
		pair, _, _ := strings.Cut(line, ";")
		pair = strings.TrimSpace(pair)
		name, value, ok := strings.Cut(pair, "=")
		if !ok || name == "" || value == "" || all.Len()+len(pair) > maxCookies {
			continue
		}
		if all.Len() > 0 {
			all.WriteString("; ")
		}
		all.WriteString(pair)
	}
	return all.String()
}
