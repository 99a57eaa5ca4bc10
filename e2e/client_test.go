package e2e

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
)

func newJar() http.CookieJar {
	jar, _ := cookiejar.New(nil) // without options it cannot fail
	return jar
}

// answer is what a test looks at.
type answer struct {
	status       int
	server, user string
	body         string
	header       http.Header
	path         string // where redirects ended
}

// do sends a request and reads the whole answer.
func (c *client) do(method, path string, body string, headers ...string) answer {
	c.t.Helper()
	a, err := c.try(method, path, body, headers...)
	if err != nil {
		c.t.Fatal(err)
	}
	return a
}

func (c *client) try(method, path string, body string, headers ...string) (answer, error) {
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.base+path, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	if body == "" {
		req.Body = nil
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header[headers[i]] = []string{headers[i+1]}
	}
	resp, err := c.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return answer{
		status: resp.StatusCode, server: resp.Header.Get("X-Lab-Server"), user: resp.Header.Get("X-Lab-User"),
		body: string(text), header: resp.Header, path: resp.Request.URL.Path,
	}, err
}

// get asks for a page as a browser does.
func (c *client) get(path string) answer {
	c.t.Helper()
	return c.do("GET", path, "", "Accept", "text/html")
}

// logon logs on to OWA by its form and returns the page behind it.
func (c *client) logon(user, password string) answer {
	c.t.Helper()
	form := url.Values{"username": {user}, "password": {password}, "destination": {"/owa/"}}
	return c.do("POST", "/owa/auth/owaauth.dll", form.Encode(),
		"Content-Type", "application/x-www-form-urlencoded", "Accept", "text/html")
}

// moved gives the client another source address and new connections, as a phone
// that changes its network.
func (r *rig) moved(c *client, source string) *client {
	m := r.client(source)
	m.Jar = c.Jar
	return m
}

// pages reads n pages of the mailbox and returns the servers that answered,
// each once, in order.
func (c *client) pages(n int) []string {
	c.t.Helper()
	var servers []string
	for range n {
		a := c.get("/owa/?page=2")
		if a.status != http.StatusOK {
			c.t.Fatalf("page: status %d", a.status)
		}
		if len(servers) == 0 || servers[len(servers)-1] != a.server {
			servers = append(servers, a.server)
		}
	}
	return servers
}

// one fails unless all pages came from one server, and returns it.
func one(tb testing.TB, servers []string) string {
	tb.Helper()
	if len(servers) != 1 {
		tb.Fatalf("pages came from %v; want one server", servers)
	}
	return servers[0]
}

func mustURL(tb testing.TB, text string) *url.URL {
	tb.Helper()
	u, err := url.Parse(text)
	if err != nil {
		tb.Fatal(err)
	}
	return u
}
