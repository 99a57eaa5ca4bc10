package lab

import (
	"bytes"
	"crypto/sha1"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// What an Exchange 2010 answers to somebody it does not know.
func TestUnauthenticatedProbes(t *testing.T) {
	a := newArray(t, Options{Servers: 1})
	const windowsOnly, both, basicOnly = "Negotiate,NTLM", "Negotiate,NTLM,Basic", "Basic"
	tests := []struct {
		method, path string
		want         int
		offers       string
	}{
		{"GET", "/owa/auth/logon.aspx", 200, ""},
		{"GET", "/owa/", 302, ""},
		{"POST", "/owa/", 440, ""},
		{"GET", "/ecp/", 302, ""},
		{"OPTIONS", "/Microsoft-Server-ActiveSync", 401, basicOnly},
		{"GET", "/ews/exchange.asmx", 401, windowsOnly},
		{"GET", "/autodiscover/autodiscover.xml", 401, both},
		{"GET", "/oab/", 401, both},
		{"RPC_IN_DATA", "/rpc/rpcproxy.dll", 401, both},
		{"GET", "/RpcWithCert/rpcproxy.dll", 401, both},
		{"POST", "/powershell/", 401, both},
		{"POST", "/mapi/emsmdb/", 401, both},
		{"GET", "/elsewhere", 404, ""},
		{"GET", "/owanother/", 404, ""},
	}
	for _, tt := range tests {
		t.Run(tt.method+tt.path, func(t *testing.T) {
			got := newBrowser(t).send(tt.method, address(a.CAS(0), tt.path), "")
			var offers []string
			for _, line := range got.Header["Www-Authenticate"] {
				scheme, _, _ := strings.Cut(line, " ")
				offers = append(offers, scheme)
			}
			if got.StatusCode != tt.want || strings.Join(offers, ",") != tt.offers {
				t.Errorf("= %d %v; want %d %s", got.StatusCode, offers, tt.want, tt.offers)
			}
		})
	}
}

func TestHealthCheckPages(t *testing.T) {
	a := newArray(t, Options{Servers: 2})
	for _, path := range []string{"/owa", "/ecp", "/Microsoft-Server-ActiveSync", "/EWS", "/rpc", "/OAB", "/Autodiscover", "/PowerShell", "/mapi"} {
		got := newBrowser(t).send("GET", address(a.CAS(1), path+"/HealthCheck.htm"), "")
		if got.StatusCode != 200 || got.body != "200 OK<br/>CAS2.lab.test" {
			t.Errorf("%s = %d %q", path, got.StatusCode, got.body)
		}
	}
}

func TestOABRanges(t *testing.T) {
	a := newArray(t, Options{Servers: 2, OABBytes: 5000})
	auth := []string{"Authorization", basicAuth("alice", "Secret1")}
	b := newBrowser(t)
	manifest := b.send("GET", address(a.CAS(0), "/OAB/"+OABID+"/oab.xml"), "", auth...)
	path := "/OAB/" + OABID + "/" + oabFile
	whole := b.send("GET", address(a.CAS(0), path), "", auth...)
	if want := fmt.Sprintf("SHA=\"%X\"", sha1.Sum([]byte(whole.body))); len(whole.body) != 5000 || !strings.Contains(manifest.body, want) {
		t.Fatalf("file has %d octets, manifest %q lacks %s", len(whole.body), manifest.body, want)
	}
	tag := whole.Header.Get("ETag")
	tests := []struct {
		name  string
		field [2]string
		want  int
		body  string
	}{
		{"first", [2]string{"Range", "bytes=0-99"}, 206, whole.body[:100]},
		{"middle", [2]string{"Range", "bytes=4000-4009"}, 206, whole.body[4000:4010]},
		{"last", [2]string{"Range", "bytes=-1"}, 206, whole.body[4999:]},
		{"outside", [2]string{"Range", "bytes=5000-"}, 416, "invalid range: failed to overlap\n"},
		{"unchanged", [2]string{"If-None-Match", tag}, 304, ""},
		{"changed", [2]string{"If-None-Match", `"x"`}, 200, whole.body},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			// The other CAS has the same file, as after a generation that both fetched.
			got := b.send("GET", address(a.CAS(1), path), "", append(auth, tt.field[:]...)...)
			if got.StatusCode != tt.want || got.body != tt.body {
				t.Errorf("= %d with %d octets; want %d with %d", got.StatusCode, len(got.body), tt.want, len(tt.body))
			}
		})
	}
}

func TestAutodiscover(t *testing.T) {
	a := newArray(t, Options{Servers: 1})
	ask := func(address, schema string) string {
		return "<Autodiscover><Request><EMailAddress>" + address + "</EMailAddress>" +
			"<AcceptableResponseSchema>" + schema + "</AcceptableResponseSchema></Request></Autodiscover>"
	}
	tests := []struct{ name, method, body, want string }{
		{"get", "GET", "", "<ErrorCode>600</ErrorCode>"},
		{"no-address", "POST", "<x/>", "<ErrorCode>600</ErrorCode>"},
		{"unknown", "POST", ask("x@lab.test", schemaOutlook), "<ErrorCode>500</ErrorCode>"},
		{"outlook", "POST", ask("bob@lab.test", schemaOutlook), "/EWS/Exchange.asmx</EwsUrl>"},
		{"mobile", "POST", ask("bob@lab.test", schemaMobile), "/Microsoft-Server-ActiveSync</Url>"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := newBrowser(t).send(tt.method, address(a.CAS(0), "/Autodiscover/Autodiscover.xml"), tt.body,
				"Authorization", basicAuth("bob", "Secret2"), "Front-End-Https", "On")
			if got.StatusCode != 200 || !strings.Contains(got.body, tt.want) {
				t.Errorf("= %d %q; want %q in it", got.StatusCode, got.body, tt.want)
			}
			if strings.Contains(got.body, "http://"+a.CAS(0).Addr()) {
				t.Errorf("an address without TLS in %q, behind an offloading balancer", got.body)
			}
		})
	}
}

func TestShellLivesOnOneServer(t *testing.T) {
	a := newArray(t, Options{Servers: 2})
	b := newBrowser(t)
	auth := []string{"Authorization", basicAuth("alice", "Secret1")}
	made := b.send("POST", address(a.CAS(0), "/powershell/"), "<a:Action>"+actionCreate+"</a:Action>", auth...)
	if made.StatusCode != 200 || len(made.Cookies()) != 1 || made.Cookies()[0].Name != "MS-WSMAN" {
		t.Fatalf("Create = %d %v", made.StatusCode, made.Cookies())
	}
	receive := `<w:Selector Name="ShellId">` + made.Cookies()[0].Value + "</w:Selector>"
	if got := b.send("POST", address(a.CAS(0), "/PowerShell"), receive, auth...); got.StatusCode != 200 {
		t.Errorf("on its CAS = %d", got.StatusCode)
	}
	got := b.send("POST", address(a.CAS(1), "/PowerShell"), receive, auth...)
	if got.StatusCode != 500 || !strings.Contains(got.body, "WSMan-InvalidShellID") {
		t.Errorf("on another CAS = %d %q", got.StatusCode, got.body)
	}
	bob := b.send("POST", address(a.CAS(0), "/PowerShell"), receive, "Authorization", basicAuth("bob", "Secret2"))
	if bob.StatusCode != 500 {
		t.Errorf("another user's shell = %d; want 500", bob.StatusCode)
	}
}

func TestMAPISession(t *testing.T) {
	a := newArray(t, Options{Servers: 2})
	b := newBrowser(t)
	call := func(s *CAS, request string) answer {
		return b.send("POST", address(s, "/mapi/emsmdb/?MailboxId=x@lab.test"), "body", "Authorization", basicAuth("alice", "Secret1"),
			"X-RequestType", request, "X-RequestId", "r1", "Content-Type", typeMAPI)
	}
	if got := call(a.CAS(0), "Execute").Header.Get("X-ResponseCode"); got != "13" {
		t.Errorf("Execute without a session = %s; want 13", got)
	}
	made := call(a.CAS(0), "Connect")
	if !strings.HasPrefix(made.body, "PROCESSING\r\nDONE\r\n") || len(made.Cookies()) != 2 || made.TransferEncoding[0] != "chunked" {
		t.Fatalf("Connect = %q %v %v", made.body, made.Cookies(), made.TransferEncoding)
	}
	tests := []struct {
		name, request, want string
		cas                 int
	}{
		{"own", "Execute", "0", 0},
		{"foreign", "Execute", "10", 1},
		{"ping", "PING", "0", 1},
		{"type", "", "5", 0},
		{"end", "Disconnect", "0", 0},
		{"after", "Execute", "13", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := call(a.CAS(tt.cas), tt.request).Header.Get("X-ResponseCode"); got != tt.want {
				t.Errorf("X-ResponseCode = %s; want %s", got, tt.want)
			}
		})
	}
}

func TestNotificationWait(t *testing.T) {
	a := newArray(t, Options{Servers: 1, Interval: 5 * time.Millisecond})
	b := newBrowser(t)
	auth := []string{"Authorization", basicAuth("alice", "Secret1")}
	b.send("POST", address(a.CAS(0), "/mapi/emsmdb/"), "", append(auth, "X-RequestType", "Connect")...)
	lines := b.stream(http.MethodPost, address(a.CAS(0), "/mapi/emsmdb/"), "", append(auth, "X-RequestType", "NotificationWait")...)
	for _, want := range []string{"PROCESSING", "PENDING", "PENDING"} {
		if got := <-lines; got != want {
			t.Errorf("chunk %q; want %q", got, want)
		}
	}
	if err := a.DeliverMail("alice"); err != nil {
		t.Fatal(err)
	}
	var last string
	done := false
	for line := range lines {
		last, done = line, done || line == "DONE"
	}
	if want := mapiResult(true); !done || !bytes.HasSuffix([]byte(last), []byte(want)) {
		t.Errorf("ended with %q; want %q", last, want)
	}
}
