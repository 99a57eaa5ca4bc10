package lab

import (
	"encoding/base64"
	"net/http"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/go-ntlmssp"
)

const ewsPath = "/EWS/Exchange.asmx"

// windows is a client that logs on by NTLM, with a connection of its own.
func windows(t *testing.T) *browser {
	t.Helper()
	b := newBrowser(t)
	b.Transport = ntlmOver(b.Transport)
	return b
}

func ntlmOver(rt http.RoundTripper) http.RoundTripper { return ntlmssp.Negotiator{RoundTripper: rt} }

func TestNTLMLogon(t *testing.T) {
	a := newArray(t, Options{Servers: 1})
	tests := []struct {
		name, user, password string
		want                 int
		as                   string
	}{
		{"plain", "alice", "Secret1", 200, "alice"},
		{"domain", `LAB\bob`, "Secret2", 200, "bob"},
		{"upn", "carol@lab.test", "Secret3", 200, "carol"},
		{"case", `lab\DAVE`, "Secret4", 200, "dave"},
		{"wrong-password", "alice", "secret1", 401, ""},
		{"unknown", "mallory", "Secret1", 401, ""},
		{"empty-password", "alice", "", 401, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := windows(t).send("GET", address(a.CAS(0), ewsPath), "", "Authorization", basicAuth(tt.user, tt.password))
			if got.StatusCode != tt.want || got.Header.Get("X-Lab-User") != tt.as {
				t.Errorf("GET = %d as %q; want %d as %q", got.StatusCode, got.Header.Get("X-Lab-User"), tt.want, tt.as)
			}
			if tt.want == 200 && (!strings.Contains(got.body, tt.as+" on cas1") || got.Header.Get("Persistent-Auth") != "true") {
				t.Errorf("body %q, Persistent-Auth %q", got.body, got.Header.Get("Persistent-Auth"))
			}
		})
	}
}

// The identity belongs to the connection: it needs no credentials afterwards,
// and another connection has none.
func TestIdentityBelongsToTheConnection(t *testing.T) {
	a := newArray(t, Options{Servers: 1})
	s := a.CAS(0)
	b := windows(t)
	first := b.send("GET", address(s, ewsPath), "", "Authorization", basicAuth("alice", "Secret1"))
	again := b.send("GET", address(s, ewsPath), "")
	if again.Header.Get("X-Lab-User") != "alice" || again.Header.Get("X-Lab-Conn") != first.Header.Get("X-Lab-Conn") {
		t.Errorf("second request as %q on %s; want alice on %s",
			again.Header.Get("X-Lab-User"), again.Header.Get("X-Lab-Conn"), first.Header.Get("X-Lab-Conn"))
	}
	other := newBrowser(t).send("GET", address(s, ewsPath), "")
	if want := []string{"Negotiate", "NTLM"}; other.StatusCode != 401 || strings.Join(other.Header["Www-Authenticate"], " ") != strings.Join(want, " ") {
		t.Errorf("another connection = %d %q; want 401 %q", other.StatusCode, other.Header["Www-Authenticate"], want)
	}
}

// startHandshake sends type 1 on one connection and returns the message that
// would complete the logon.
func startHandshake(t *testing.T, w *wire, user, password string) (type3 []byte) {
	t.Helper()
	type1, err := ntlmssp.NewNegotiateMessage("", "")
	if err != nil {
		t.Fatal(err)
	}
	fields := w.get("NTLM", type1, "401")
	var type2 []byte
	for _, f := range fields {
		if token, ok := strings.CutPrefix(f, "WWW-Authenticate: NTLM "); ok {
			type2, _ = base64.StdEncoding.DecodeString(token)
		}
	}
	type3, err = ntlmssp.NewAuthenticateMessage(type2, user, password, nil)
	if err != nil {
		t.Fatal(err)
	}
	return type3
}

// get sends one GET with a token, checks the status code and returns the fields.
func (w *wire) get(scheme string, token []byte, want string) []string {
	w.t.Helper()
	line := ""
	if token != nil {
		line = "Authorization: " + scheme + " " + base64.StdEncoding.EncodeToString(token) + "\r\n"
	}
	w.write("HEAD " + ewsPath + " HTTP/1.1\r\nHost: h\r\n" + line + "\r\n")
	status, fields := w.head()
	if code := strings.Fields(status)[1]; code != want {
		w.t.Fatalf("%s with %d octets = %s; want %s", scheme, len(token), status, want)
	}
	return fields
}

func TestType3OnAnotherConnection(t *testing.T) {
	a := newArray(t, Options{Servers: 1})
	one, two := dial(t, a.CAS(0)), dial(t, a.CAS(0))
	type3 := startHandshake(t, one, "alice", "Secret1")
	two.get("NTLM", type3, "401") // no challenge went out here
	startHandshake(t, two, "bob", "Secret2")
	two.get("NTLM", type3, "401") // another challenge went out here
	two.get("", nil, "401")       // and nobody is logged on
	if fields := one.get("NTLM", type3, "200"); !slices.Contains(fields, "X-Lab-User: alice") {
		t.Errorf("on its own connection: %q", fields)
	}
	one.get("NTLM", type3, "401") // a challenge serves once, and the attempt ends the identity
	one.get("", nil, "401")
}

// A new handshake on a connection ends the identity that it had.
func TestNewHandshakeEndsIdentity(t *testing.T) {
	a := newArray(t, Options{Servers: 1})
	w := dial(t, a.CAS(0))
	w.get("NTLM", startHandshake(t, w, "alice", "Secret1"), "200")
	w.get("", nil, "200")
	type3 := startHandshake(t, w, "bob", "Secret2")
	w.get("", nil, "401")
	if fields := w.get("NTLM", type3, "200"); !slices.Contains(fields, "X-Lab-User: bob") {
		t.Errorf("second logon: %q", fields)
	}
}

func TestNegotiateWrapsNTLM(t *testing.T) {
	a := newArray(t, Options{Servers: 1})
	w := dial(t, a.CAS(0))
	type1, err := ntlmssp.NewNegotiateMessage("", "")
	if err != nil {
		t.Fatal(err)
	}
	type2 := responseToken(t, w.get("Negotiate", negTokenInit(type1), "401"))
	type3, err := ntlmssp.NewAuthenticateMessage(type2, "alice", "Secret1", nil)
	if err != nil {
		t.Fatal(err)
	}
	fields := w.get("Negotiate", negTokenResp(acceptIncomplete, false, type3), "200")
	done := "WWW-Authenticate: Negotiate " + base64.StdEncoding.EncodeToString(negTokenResp(acceptCompleted, false, nil))
	if !slices.Contains(fields, "X-Lab-User: alice") || !slices.Contains(fields, done) {
		t.Errorf("logged on with %q", fields)
	}
}

// A client that prefers Kerberos is asked for NTLM.
func TestNegotiateAsksForNTLM(t *testing.T) {
	a := newArray(t, Options{Servers: 1})
	w := dial(t, a.CAS(0))
	w.get("Negotiate", negTokenInit([]byte("a Kerberos ticket")), "401")
	type1, err := ntlmssp.NewNegotiateMessage("", "")
	if err != nil {
		t.Fatal(err)
	}
	type2 := responseToken(t, w.get("Negotiate", negTokenResp(acceptIncomplete, false, type1), "401"))
	type3, err := ntlmssp.NewAuthenticateMessage(type2, "bob", "Secret2", nil)
	if err != nil {
		t.Fatal(err)
	}
	w.get("Negotiate", negTokenResp(acceptIncomplete, false, type3), "200")
}

func TestLeaksAreCounted(t *testing.T) {
	a := newArray(t, Options{Servers: 1})
	b, s := windows(t), a.CAS(0)
	b.send("GET", address(s, ewsPath), "", "Authorization", basicAuth("alice", "Secret1"))
	b.send("GET", address(s, ewsPath), "", "X-Expect-User", `LAB\Alice`)
	if got := a.Leaks(); got != 0 {
		t.Errorf("%d leaks after alice's own request; want 0", got)
	}
	b.send("GET", address(s, ewsPath), "", "X-Expect-User", "bob")
	b.send("GET", address(s, "/owa/"), "", "X-Expect-User", "anonymous")
	if got := a.Leaks(); got != 2 {
		t.Errorf("%d leaks; want 2", got)
	}
}

// Many users at once, each on connections of their own.
func TestUsersAtOnce(t *testing.T) {
	a := newArray(t, Options{Servers: 2})
	users := map[string]string{"alice": "Secret1", "bob": "Secret2", "carol": "Secret3", "dave": "Secret4"}
	var all sync.WaitGroup
	for user, password := range users {
		b := windows(t)
		all.Go(func() {
			for i := range 10 {
				got := b.send("POST", address(a.CAS(i%2), ewsPath), "<Body><GetFolder/></Body>",
					"Authorization", basicAuth(user, password), "X-Expect-User", user)
				if got.Header.Get("X-Lab-User") != user || !strings.Contains(got.body, "GetFolderResponse") {
					t.Errorf("%s was served as %q", user, got.Header.Get("X-Lab-User"))
				}
			}
		})
	}
	all.Wait()
	if got := a.Leaks(); got != 0 {
		t.Errorf("%d leaks", got)
	}
}

func TestStreamingEventsComeOneByOne(t *testing.T) {
	a := newArray(t, Options{Servers: 1, Interval: time.Hour})
	b, s := windows(t), a.CAS(0)
	const body = "<Body><GetStreamingEvents><Interval>20ms</Interval></GetStreamingEvents></Body>"
	started := time.Now()
	lines := b.stream(http.MethodPost, address(s, ewsPath), body, "Authorization", basicAuth("alice", "Secret1"))
	want := []string{"<m:ConnectionStatus>OK<", `StatusEvent sequence="1"`, `StatusEvent sequence="2"`, `StatusEvent sequence="3"`}
	for _, w := range want {
		if got := <-lines; !strings.Contains(got, w) {
			t.Errorf("line %q; want %q in it", got, w)
		}
	}
	if took := time.Since(started); took < 50*time.Millisecond {
		t.Errorf("three events in %v; want one each 20ms", took)
	}
	if err := a.DeliverMail("alice"); err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		if strings.Contains(<-lines, "NewMailEvent") {
			return
		}
	}
	t.Error("no event for the mail")
}

// A subscription lives on the CAS that made it.
func TestSubscription(t *testing.T) {
	a := newArray(t, Options{Servers: 2})
	b := windows(t)
	alice := []string{"Authorization", basicAuth("alice", "Secret1")}
	made := b.send("POST", address(a.CAS(0), ewsPath), "<Body><m:Subscribe/></Body>", alice...)
	ticket := firstMatch(ewsSubscription, made.body, "")
	if ticket == "" || len(made.Cookies()) != 1 || made.Cookies()[0].Name != "exchangecookie" {
		t.Fatalf("Subscribe = %q %v", made.body, made.Cookies())
	}
	body := "<Body><GetStreamingEvents><SubscriptionId>" + ticket + "</SubscriptionId></GetStreamingEvents></Body>"
	if got := <-b.stream("POST", address(a.CAS(0), ewsPath), body, alice...); !strings.Contains(got, "NoError") {
		t.Errorf("on its CAS: %q", got)
	}
	if got := b.send("POST", address(a.CAS(1), ewsPath), body, alice...); !strings.Contains(got.body, "ErrorSubscriptionNotFound") {
		t.Errorf("on another CAS: %q", got.body)
	}
}

var labUser = regexp.MustCompile(`X-Lab-User: (\w+)`)

func TestCurlNTLM(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("curl is not installed")
	}
	if version, err := exec.CommandContext(t.Context(), curl, "-V").Output(); err != nil || !strings.Contains(string(version), "NTLM") {
		t.Skip("curl has no NTLM")
	}
	a := newArray(t, Options{Servers: 1})
	tests := []struct{ name, credentials, want string }{
		{"right", `LAB\alice:Secret1`, "200 alice"},
		{"no-domain", "bob:Secret2", "200 bob"},
		{"wrong", "alice:Secret2", "401 "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out, err := exec.CommandContext(t.Context(), curl, "-s", "-D", "-", "-o", "/dev/null", "-w", "%{http_code}",
				"--ntlm", "-u", tt.credentials, "-d", "<Body><GetFolder/></Body>", address(a.CAS(0), ewsPath)).Output()
			if err != nil {
				t.Fatal(err)
			}
			user := firstMatch(labUser, string(out), "")
			if got := string(out[len(out)-3:]) + " " + user; got != tt.want {
				t.Errorf("curl = %q; want %q in %q", got, tt.want, out)
			}
		})
	}
}
