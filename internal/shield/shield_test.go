package shield

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"casbah/internal/httphead"
)

// parse reads a request line and what stands behind it, or fails.
func parse(tb testing.TB, line, fields string) *httphead.Request {
	tb.Helper()
	head := new(httphead.Request)
	if err := head.Parse([]byte(line + " HTTP/1.1\r\nHost: h\r\n" + fields + "\r\n")); err != nil {
		tb.Fatalf("%s: %v", line, err)
	}
	return head
}

// What each rule stops, in the forms that were seen, and what looks like it and is
// the work of a client.
func TestRules(t *testing.T) {
	long := "Cookie: a=" + strings.Repeat("x", maxCookie)
	for _, tt := range []struct {
		name, line, fields string
		want               Rule
	}{
		{"proxynotshell", "GET /autodiscover/autodiscover.json?@evil.example/PowerShell/?x=1", "", AutodiscoverShell},
		{"proxynotshell-encoded", "GET /autodiscover/autodiscover.json?a=%50ower%73hell", "", AutodiscoverShell},
		{"proxynotshell-encoded-twice", "GET /autodiscover/autodiscover.json?a=%2550ower%2573hell", "", AutodiscoverShell},
		{"proxynotshell-far-behind", "GET /autodiscover/x?a=" + strings.Repeat("y", 2000) + "powershell", "", AutodiscoverShell},
		{"powershell", "POST /PowerShell?serializationLevel=Full;PSVersion=5.1", "", None},
		{"powershell-of-autodiscover", "POST /powershell/?x=autodiscover", "", None},

		{"proxyshell", "GET /autodiscover/autodiscover.json?@evil.example/mapi/nspi/?&Email=autodiscover/autodiscover.json%3F@evil.example", "", AutodiscoverSSRF},
		{"proxyshell-name", "GET /autodiscover/autodiscover.json?a@foo.var/owa/?&Email=a", "", AutodiscoverSSRF},
		{"proxyshell-name-encoded", "GET /autodiscover/autodiscover.json?a%40foo.var/owa/", "", AutodiscoverSSRF},
		{"proxyshell-name-with-equals", "POST /autodiscover/autodiscover.json?a%3d@foo.var/owa/", "", AutodiscoverSSRF},
		{"proxyshell-path", "GET /autodiscover/autodiscover.json@evil.example/ews/exchange.asmx", "", AutodiscoverSSRF},
		{"proxyshell-email", "GET /Autodiscover/Autodiscover.json?x=1&Email=Autodiscover/autodiscover.json", "", AutodiscoverSSRF},
		{"proxyshell-cookie", "GET /autodiscover/autodiscover.json?x=1", "Cookie: Email=autodiscover/autodiscover.json?@evil\r\n", AutodiscoverSSRF},
		{"outlook-json", "GET /autodiscover/autodiscover.json/v1.0/alice@example.org?Protocol=ActiveSync&RedirectCount=1", "", None},
		{"outlook-json-email", "GET /autodiscover/autodiscover.json?Email=alice%40example.org&Protocol=Autodiscoverv1", "", None},
		{"autodiscover-xml", "POST /Autodiscover/Autodiscover.xml", "", None},

		{"proxylogon", "POST /ecp/x.js", "Cookie: X-BEResource=[name]@server:443/autodiscover/autodiscover.xml?#~1941962753\r\n", BackendCookie},
		{"proxylogon-case", "POST /ecp/x.js", "Cookie: a=b; x-beresource=localhost~1942062522\r\n", BackendCookie},
		{"proxylogon-anonymous", "GET /owa/auth/x.js", "Cookie: X-AnonResource=true; X-AnonResource-Backend=localhost/ecp/default.flt?~3\r\n", BackendCookie},
		{"backend-cookie", "GET /owa/", "Cookie: X-BackEndCookie=S-1-5-21=u56Lnp2ejJqBy~87Kzsjo; UserContext=a\r\n", None},
		{"tilde", "GET /owa/", "Cookie: theme=a~b\r\n", None},

		{"cat-query", "POST /ews/x?X-Rps-CAT=VgEAVAd", "", AccessToken},
		{"cat-encoded", "POST /ews/x?%58-Rps%2dCAT=VgEAVAd", "", AccessToken},
		{"cat-field", "POST /ews/x", "x-rps-cat: VgEAVAd\r\n", AccessToken},
		{"common-token", "POST /ews/x", "X-CommonAccessToken: VgEAVAd\r\n", AccessToken},

		{"put", "PUT /owa/x.aspx", "", DirectoryMethod},
		{"propfind", "PROPFIND /%6Fwa/", "", DirectoryMethod},
		{"delete", "DELETE /oab", "", DirectoryMethod},
		{"webdav-of-2007", "PROPFIND /exchange/alice/", "", None},
		{"bits", "GET /OAB/a/oab.xml", "", None},
		{"rpc", "RPC_IN_DATA /rpc/rpcproxy.dll?mbx:6001", "", None},

		{"twice", "GET /owa/%252e%252e/ecp", "", DoubleEncoding},
		{"twice-any", "GET /owa/%2541", "", DoubleEncoding},
		{"percent-sign", "GET /owa/100%25/x", "", None},
		{"once", "GET /owa/%61", "", None},

		{"up", "GET /owa/x?f=../../web.config", "", Traversal},
		{"up-encoded", "GET /owa/x?f=%2e%2e%2fweb.config", "", Traversal},
		{"up-twice", "GET /owa/x?f=..%255cweb.config", "", Traversal},
		{"ellipsis", "GET /owa/x?q=wait...&url=https%3A%2F%2Fh%2Fowa%2F%3Fa%3D%2520b", "", None},

		{"cookie-at-limit", "GET /owa/", long[:len("Cookie: ")+maxCookie] + "\r\n", None},
		{"cookie-above", "GET /owa/", long[:len("Cookie: ")+maxCookie+1] + "\r\n", CookieSize},
		{"cookies-above", "GET /owa/", strings.Repeat("Cookie: "+strings.Repeat("a=b; ", 800)+"c=d\r\n", 5), CookieSize},

		{"owa", "GET /owa/?ae=Folder&t=IPF.Note&id=LgAAAA%2bx", "Cookie: UserContext=abc; cadata=\"x+/=\"\r\n", None},
		{"eas", "POST /Microsoft-Server-ActiveSync?User=alice&DeviceId=d1&DeviceType=iPhone&Cmd=Ping", "Cookie: X-BackEndCookie=a\r\n", None},
		{"mapi", "POST /mapi/emsmdb/?MailboxId=4f9fc4f2@example.org", "Cookie: MapiContext=a; MapiSequence=0-b\r\n", None},
		{"root", "GET /", "", None},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Check(parse(t, tt.line, tt.fields), false); got != tt.want {
				t.Errorf("%s: %s; want %s", tt.line, got, tt.want)
			}
		})
	}
}

func TestAdministratorsComeFromListedNetworks(t *testing.T) {
	for _, tt := range []struct {
		line string
		want Rule // of a stranger
	}{
		{"POST /PowerShell", AdminNetwork},
		{"POST /powershell/?a=b", AdminNetwork},
		{"POST /%50owerShell/", AdminNetwork},
		{"GET /powershellx", None},
		{"GET /ecp/UsersGroups/Mailboxes.slab", AdminNetwork},
		{"GET /ecp/VDirMgmt/x?y", AdminNetwork},
		{"GET /ecp/servers", AdminNetwork},
		{"GET /ecp/serversx", None},
		{"GET /ecp//UsersGroups/Mailboxes.slab", AdminNetwork}, // IIS counts no empty segment
		{"GET //ecp/" + strings.Repeat("/", 100) + "servers/", AdminNetwork},
		{"GET /ecp/alice@example.org/UsersGroups/Mailboxes.slab", AdminNetwork}, // in her name
		{"GET /ecp/@example.org/%55sersGroups/Mailboxes.slab", AdminNetwork},
		{"GET /ecp/(S(x))/UsersGroups/Mailboxes.slab", AdminNetwork}, // ASP.NET cuts a session out
		{"GET /ecp/Users/(S(x))Groups/Mailboxes.slab", AdminNetwork},
		{"GET /ecp/alice@example.org/PersonalSettings/EmailSignature.aspx", None},
		{"GET /ecp/15.1.2507.6/scripts/servers.js", None},
		{"POST /ecp/DDI/DDIService.svc/SetObject?schema=OABVirtualDirectory&msExchEcpCanary=x", DirectoryWrite},
		{"POST /ecp/DDI/DDIService.svc/GetList?schema=RulesEditor", None},
		{"GET /ecp/", None},
		{"GET /ecp/PersonalSettings/EmailSignature.aspx", None},
		{"GET /owa/servers", None},
	} {
		if got := Check(parse(t, tt.line, ""), true); got != tt.want {
			t.Errorf("a stranger: %s: %s; want %s", tt.line, got, tt.want)
		}
		if got := Check(parse(t, tt.line, ""), false); got != None {
			t.Errorf("an administrator: %s: %s; want none", tt.line, got)
		}
	}
}

// Every rule says what it stops, in the manual too.
func TestRulesAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/OPERATIONS.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]bool)
	for r := None + 1; r < rules; r++ {
		if r.Stops() == "" || seen[r.String()] {
			t.Errorf("rule %d: name %q, stops %q; want a name of its own and what it stops", r, r, r.Stops())
		}
		seen[r.String()] = true
		if !strings.Contains(string(text), "| `"+r.String()+"` |") {
			t.Errorf("docs/OPERATIONS.md does not tell of rule %s", r)
		}
	}
	if _, err := time.Parse("2006-01", Version); err != nil {
		t.Errorf("version %q: %v", Version, err)
	}
}

func TestCheckDoesNotAllocate(t *testing.T) {
	for _, head := range []*httphead.Request{
		parse(t, "GET /owa/?ae=Folder&t=IPF.Note&id=LgAAAA%2bx", "Cookie: UserContext=abc; cadata=\"x+/~=\"\r\nAccept: */*\r\n"),
		parse(t, "GET /autodiscover/autodiscover.json?@evil/"+strings.Repeat("%2541", 1000), "Cookie: Email=%41~@\r\n"),
	} {
		if n := testing.AllocsPerRun(100, func() { Check(head, true) }); n != 0 {
			t.Errorf("%s: %v allocations; want none", head.Path, n)
		}
	}
}

// Nothing that can be written in another way goes by, and no input stops it.
func FuzzCheck(f *testing.F) {
	f.Add("/autodiscover/autodiscover.json", "@evil.example/powershell", "X-BEResource=a~b")
	f.Add("/owa/%252e", "a=%2e%2e%2f", "a=b")
	f.Add("ecp/alice@example.org/servers/x", "a", "a=b")
	f.Fuzz(func(t *testing.T, path, query, cookie string) {
		head := new(httphead.Request)
		raw := "GET /" + path + "?" + query + " HTTP/1.1\r\nHost: h\r\nCookie: " + cookie + "\r\n\r\n"
		if head.Parse([]byte(raw)) != nil {
			t.Skip()
		}
		plain := Check(head, true)
		if plain >= rules {
			t.Fatalf("rule %d", plain)
		}
		if again := Check(head, true); again != plain {
			t.Fatalf("%s, then %s", plain, again)
		}
		slashes := *head
		slashes.Path = bytes.ReplaceAll(head.Path, []byte("/"), []byte("//"))
		if got := Check(&slashes, true); plain == AdminNetwork && got != AdminNetwork {
			t.Fatalf("%s, and with more slashes %s: %s", plain, got, slashes.Path)
		}
		if head.Query == nil || bytes.IndexByte(head.Query, '%') >= 0 {
			return
		}
		var encoded []byte // the query in another spelling
		for _, c := range head.Query {
			if c == '&' || c == '=' {
				encoded = append(encoded, c)
				continue
			}
			encoded = append(encoded, '%', "0123456789abcdef"[c>>4], "0123456789abcdef"[c&15])
		}
		other := *head
		other.Query = encoded
		if got := Check(&other, true); plain != None && got == None {
			t.Fatalf("%s in clear, and nothing encoded: %s", plain, encoded)
		}
	})
}
