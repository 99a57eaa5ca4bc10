package node

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"casbah/persistence"
	"casbah/profiles"
)

// bridgeText is a bridge with a route, for names.
const bridgeText = "[[pool]]\nname = \"bridged\"\nservers = [\"cas2\"]\nupstream_tls = \"on\"\ntls = { verify = false }\n" +
	"[[vip]]\nname = \"bridge\"\ntype = \"ssl_bridge\"\nlisten = [\"127.0.0.1:443\"]\nprofiles = [\"ews\"]\npool = \"bridged\"\nhosts = [\"mail.example.org\"]\n" +
	"[[vip.route]]\nhosts = [\"*.example.org\"]\npool = \"bridged\"\n"

// Whatever is asked: a question that passes makes a head of as many lines as it
// has headers, none of which is another's; and it is answered, by a server or by
// casbah itself, without a word of what may be a secret.
func FuzzQuestion(f *testing.F) {
	conf, _, err := profiles.Parse("casbah.toml", []byte(fmt.Sprintf(poolText, "192.0.2.11", "192.0.2.12", "")+fmt.Sprintf(vipText, "mail")+
		"trusted_proxies = [\"192.0.2.0/24\"]\n"+tcpVIP("rpc", "127.0.0.1:59532", "rpc_client_access")+bridgeText))
	if err != nil {
		f.Fatal(err)
	}
	table := persistence.NewTable(persistence.TableOptions{PerCore: 10, Cores: 1})
	snap, err := newLive(table, persistence.Secret{}).build(conf, []byte("passphrase"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add("GET", "http://h/owa/", "192.0.2.1", "Cookie: UserContext=a", "X-Forwarded-For: 198.51.100.1, 192.0.2.3")
	f.Add("", "tcp://127.0.0.1:59532", "", "", "")
	f.Add("", "tcp://app.Example.org.:443", "192.0.2.1", "", "")
	f.Add("", "tcp://other.test:443", "", "", "")
	f.Add("GET", "/owa/../x", "::1", "Host: h", "Host: h")
	f.Add("GET", "http://[::1]:80?q#f", "", "X-Forwarded-For: x\r\nA: b", "Content-Length: 1, 2")
	f.Add("POST", "https://h/owa/%2e%2e/", "", "Transfer-Encoding: chunked", "Content-Length: 3")
	f.Fuzz(func(t *testing.T, method, url, from, first, second string) {
		q := &Question{Method: method, URL: url, From: from}
		for _, h := range []string{first, second} {
			if h != "" {
				q.Headers = append(q.Headers, h)
			}
		}
		a, err := q.parse()
		if err != nil {
			for _, h := range q.Headers {
				if _, value, _ := strings.Cut(h, ":"); len(value) > 8 && strings.Contains(err.Error(), value) {
					t.Fatalf("%q quotes a header", err)
				}
			}
			return
		}
		if !a.relayed() {
			lines := bytes.Count(a.head("h"), []byte("\n"))
			if want := len(q.Headers) + 2; lines != want && lines != want+1 || bytes.Count(a.head("h"), []byte("\r\n")) != lines {
				t.Fatalf("%q makes a head of %d lines", q, lines)
			}
		}
		e, err := snap.explain(time.Unix(1, 0), q)
		if err != nil {
			return
		}
		if e.VIP == "" || e.Text == "" || e.Why == "" || e.Why != "host" && (e.Server == "") == (e.Status == 0) {
			t.Fatalf("%q is explained by %+v", q, e)
		}
	})
}
