package e2e

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"

	"github.com/Azure/go-ntlmssp"
)

// basicAuth returns the value of an Authorization header.
func basicAuth(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// ntlmType1 returns the Authorization value that begins an NTLM handshake.
func ntlmType1(scheme string) (string, error) {
	p, err := ntlmssp.NewNegotiateMessage("", "")
	return scheme + " " + base64.StdEncoding.EncodeToString(p), err
}

// ntlmType3 returns the Authorization value that answers the challenge in resp.
func ntlmType3(scheme string, resp *http.Response, user, password string) (string, error) {
	for _, offer := range resp.Header.Values("Www-Authenticate") {
		name, token, _ := strings.Cut(offer, " ")
		if !strings.EqualFold(name, scheme) || token == "" {
			continue
		}
		challenge, err := base64.StdEncoding.DecodeString(token)
		if err != nil {
			return "", err
		}
		p, err := ntlmssp.NewAuthenticateMessage(challenge, user, password, nil)
		return scheme + " " + base64.StdEncoding.EncodeToString(p), err
	}
	return "", fmt.Errorf("no %s challenge in %d %v", scheme, resp.StatusCode, resp.Header)
}

// logon logs a client connection on by NTLM.
func logon(w *wire, path, user, password string) {
	w.t.Helper()
	const request = "GET %s HTTP/1.1\r\nHost: h\r\nAuthorization: %s\r\n\r\n"
	auth, err := ntlmType1("NTLM")
	if err != nil {
		w.t.Fatal(err)
	}
	w.sayf(request, path, auth)
	resp, _ := w.response("GET")
	if auth, err = ntlmType3("NTLM", resp, user, password); err != nil {
		w.t.Fatal(err)
	}
	w.sayf(request, path, auth)
	if resp, _ = w.response("GET"); resp.StatusCode != http.StatusOK || resp.Header.Get("X-Lab-User") != user {
		w.t.Fatalf("logon of %s: status %d for %q", user, resp.StatusCode, resp.Header.Get("X-Lab-User"))
	}
}
