package e2e

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"casbah/admin"
	"casbah/node"
)

// outputs is everything that casbah says about itself, by where it says it.
func (r *rig) outputs(log *locked) map[string]string {
	r.t.Helper()
	access, _ := r.accessLog()
	out := map[string]string{"access log": access, "process log": log.String()}
	h := admin.New(r.node, admin.Options{Loopback: true})
	for _, path := range []string{"/", "/api/v1/status", "/api/v1/decisions", "/healthz", "/readyz", "/healthz/vip/tls"} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(r.t.Context(), "GET", "http://localhost"+path, nil))
		if w.Code != http.StatusOK {
			r.t.Errorf("%s = %d", path, w.Code)
		}
		out[path] = w.Body.String()
	}
	e, err := r.node.Explain(&node.Question{
		URL: "http://h/owa/?secret=query-3Kd8sW", From: "127.0.0.30",
		Headers: []string{"Authorization: " + basicAuth("mallory", "pw-kept-7Hq2zR"), "Cookie: UserContext=query-3Kd8sW"},
	})
	if err != nil {
		r.t.Error(err)
	}
	out["explanation"] = fmt.Sprintf("%+v", e)
	for _, e := range r.node.Status().Events {
		out["events"] += e.Kind + " " + e.Text + "\n"
	}
	return out
}

// entrusted gathers texts that must not be seen, by what they are.
type entrusted map[string]string

// file adds the content of a file, as it stands and as the octets that it spells.
func (s entrusted) file(t *testing.T, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Base(path)
	for i, line := range strings.Split(strings.TrimSpace(string(data)), "\n") {
		if !strings.HasPrefix(line, "-----") {
			s[name+" line "+strconv.Itoa(i+1)] = line
		}
	}
	if raw, err := hex.DecodeString(strings.TrimSpace(string(data))); err == nil {
		s[name+" raw"], s[name+" base64"] = string(raw), base64.StdEncoding.EncodeToString(raw)
	}
}

// Whatever clients and operators entrust to casbah, none of it is logged or
// shown: by logons of every kind and at both VIPs, in requests that are
// refused, in secrets that are mistyped. Invariant I9.
func TestNothingEntrustedIsShown(t *testing.T) {
	engines(t, func(t *testing.T, m mode) {
		var log locked
		r := newRig(t, setup{mode: m, log: zerolog.New(&log).Level(zerolog.DebugLevel)})
		s := entrusted{}
		for _, name := range []string{"cookie.key", "binding.key", "lab.key"} {
			s.file(t, filepath.Join(filepath.Dir(r.conf), name))
		}
		r.logOnEverywhere(t, s)
		r.sendMalformed(t, s)
		r.mistype(t, s)
		r.until("every request is counted", func() bool { return r.node.Status().Connections == 0 })
		r.logged(int(r.vipStatus("tls").Requests + r.vipStatus("plain").Requests))

		for where, text := range r.outputs(&log) {
			if text == "" {
				t.Errorf("%s is empty", where)
			}
			for what, secret := range s {
				if len(secret) < 6 {
					t.Fatalf("%s: %q is too short to be looked for", what, secret)
				}
				if strings.Contains(text, secret) {
					t.Errorf("%s shows %s: %q", where, what, secret)
				}
			}
		}
	})
}

// logOnEverywhere logs on by each way that the array knows, and by some that it
// refuses.
func (r *rig) logOnEverywhere(t *testing.T, s entrusted) {
	t.Helper()
	r.array.Users().Add("mallory", "pw-kept-7Hq2zR")
	s["password"], s["password in base64"] = "pw-kept-7Hq2zR", base64.StdEncoding.EncodeToString([]byte("mallory:pw-kept-7Hq2zR"))
	s["wrong password"], s["query"], s["token"] = "pw-wrong-9Tt4", "query-3Kd8sW", "eyJhbGciOiJub25lIn0.eyJ1cG4iOiJtYWxsb3J5QGxhYi50ZXN0In0.c2lnbmF0dXJl"
	for i, vip := range []string{"plain", "tls"} {
		r := r.at(vip)
		source := "127.0.0." + strconv.Itoa(30+i)
		c := r.client(source)
		if a := c.logon("mallory", s["password"]); a.status != http.StatusOK {
			t.Fatalf("logon: %d", a.status)
		}
		c.get("/owa/?secret=" + s["query"])
		c.get("/ecp/")
		for _, cookie := range c.Jar.Cookies(mustURL(t, c.base+"/owa/")) {
			s[vip+" cookie "+cookie.Name] = cookie.Value
		}
		eas := "/Microsoft-Server-ActiveSync?Cmd=Options&User=mallory&DeviceId=" + s["query"]
		c.do("OPTIONS", eas, "", "Authorization", basicAuth("mallory", s["password"]))
		c.do("OPTIONS", eas, "", "Authorization", basicAuth("mallory", s["wrong password"]))
		c.do("GET", "/EWS/Exchange.asmx", "", "Authorization", "Bearer "+s["token"])
		c.do("GET", "/nowhere/?secret="+s["query"], "", "Cookie", "UserContext="+s["query"])
		c.CloseIdleConnections()

		w := r.wire(t, source)
		s[vip+" ntlm"] = logonNoted(w, "mallory", s["password"])
		_ = w.Close()
	}
}

// logonNoted logs on by NTLM and returns the answer to the challenge.
func logonNoted(w *wire, user, password string) string {
	w.t.Helper()
	const request = "GET /EWS/Exchange.asmx HTTP/1.1\r\nHost: h\r\nAuthorization: %s\r\n\r\n"
	first, err := ntlmType1("NTLM")
	if err != nil {
		w.t.Fatal(err)
	}
	w.sayf(request, first)
	challenge, _ := w.response("GET")
	second, err := ntlmType3("NTLM", challenge, user, password)
	if err != nil {
		w.t.Fatal(err)
	}
	w.sayf(request, second)
	if resp, _ := w.response("GET"); resp.StatusCode != http.StatusOK {
		w.t.Fatalf("logon by NTLM: %d", resp.StatusCode)
	}
	return strings.TrimPrefix(second, "NTLM ")
}

// sendMalformed sends requests that casbah refuses, with secrets in them.
func (r *rig) sendMalformed(t *testing.T, s entrusted) {
	t.Helper()
	for _, text := range []string{
		"GET /owa/ HTTP/1.1\r\nAuthorization : Basic " + s["password in base64"] + "\r\n\r\n",
		"GET /owa/../x?" + s["query"] + " HTTP/1.1\r\nHost: h\r\nCookie: UserContext=" + s["query"] + "\r\n\r\n",
		"POST /owa/auth/owaauth.dll HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + s["password"] + "\r\n",
	} {
		w := r.wire(t, "127.0.0.40")
		w.say(text)
		if resp, _ := w.response("GET"); resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%q gets %d; want 400", text, resp.StatusCode)
		}
		_ = w.Close()
	}
}

// mistype has casbah reload configurations with mistakes in its own secrets.
func (r *rig) mistype(t *testing.T, s entrusted) {
	t.Helper()
	good := r.read()
	s["passphrase"] = "pass-8Vn1mQ"
	for _, line := range []string{
		`cookie_passphrase = "pass-8Vn1mQ"`,        // too short
		`cookie_passphrase = "pass-8Vn1mQ`,         // no end
		`cookie_passphrase = pass-8Vn1mQ`,          // no quotes
		`cookie_passphrase = ["pass-8Vn1mQ"]`,      // a list
		`cookie_passphrase = "pass-8Vn1mQ" "more"`, // two
		`cookie_passphrase = "\pass-8Vn1mQ"`,       // an escape that is none
	} {
		r.write(line + "\n" + good)
		if err := r.node.Reload(t.Context()); err == nil {
			t.Errorf("%s was taken", line)
		}
	}
	r.reload("cookie_passphrase = \"pass-8Vn1mQ-and-long-enough\"\n" + good)
}
