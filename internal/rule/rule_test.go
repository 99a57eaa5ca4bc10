package rule

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"casbah/internal/httphead"
)

func parse(tb testing.TB, head string) *httphead.Request {
	tb.Helper()
	r := new(httphead.Request)
	if err := r.Parse([]byte(strings.ReplaceAll(head, "\n", "\r\n") + "\r\n\r\n")); err != nil {
		tb.Fatalf("%v in %q", err, head)
	}
	return r
}

const sample = `POST /OWA/ev.owa?mailbox=Alice%40example.org&UA=0;sid=a+b HTTP/1.1
Host: Mail.Example.org:8443
X-Session: 42
x-session: 43
Cookie: a=1; UserContext=abc==
Cookie: UserContext=later`

var source = netip.MustParseAddr("::ffff:192.0.2.7")

func TestEval(t *testing.T) {
	long := strings.Repeat("x", maxInput+1)
	tests := []struct {
		text, want string
		ok         bool
	}{
		{`method`, "POST", true},
		{`host`, "mail.example.org", true},
		{`path`, "/OWA/ev.owa", true},
		{`query`, "mailbox=Alice%40example.org&UA=0;sid=a+b", true},
		{`source`, "192.0.2.7", true},
		{`header("X-SESSION")`, "42", true},
		{`header("X-None")`, "", true},
		{`cookie("UserContext")`, "abc==", true},
		{`cookie("usercontext")`, "", true},
		{`param("mailbox")`, "Alice@example.org", true},
		{`param("sid")`, "a b", true},
		{`param("none")`, "", true},
		{`path | lower() | trimPrefix("/owa/")`, "ev.owa", true},
		{`hasPrefix(lower(path), "/owa/") ? header("x-session") : ""`, "42", true},
		{`method in ["GET", "HEAD"] ? path : source + "/" + host`, "192.0.2.7/mail.example.org", true},
		{`path matches "(?i)^/owa/" ? "owa" : "other"`, "owa", true},
		{`split(path, "/")[1]`, "OWA", true},
		{`split(path, "/")[7]`, "", false},
		{`path[1:4]`, "OWA", true},
		{`string(int(header("x-session")) % 8)`, "2", true},
		{`string(int(path) % 8)`, "", false},
		{`string(1 / int("0") > 1.0)`, "true", true},
		{`string(1 % int("0"))`, "", false},
		{`header("X-Long") + path`, "", false},
		{`header("X-Result")`, strings.Repeat("r", MaxResult), true},
		{`header("X-Result") + "r"`, "", false},
		{`header("X-None") == "" ? "" : path`, "", true},
		{`len(header("X-Max")) == 4096 ? "all" : ""`, "all", true},
	}
	head := parse(t, sample+"\nX-Long: "+long+"\nX-Max: "+long[1:]+"\nX-Result: "+strings.Repeat("r", MaxResult))
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			r, err := Compile(tt.text)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // the second with an evaluator that was used
				if got, ok := r.Eval(head, source); got != tt.want || ok != tt.ok {
					t.Errorf("Eval() = %q, %v; want %q, %v", got, ok, tt.want, tt.ok)
				}
			}
		})
	}
}

func TestHosts(t *testing.T) {
	r, err := Compile("host")
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]string{
		"a.example.org": "a.example.org", "a.example.org:80": "a.example.org",
		"[2001:DB8::1]": "[2001:db8::1]", "[2001:db8::1]:80": "[2001:db8::1]",
	} {
		if got, ok := r.Eval(parse(t, "GET / HTTP/1.1\nHost: "+host), source); got != want || !ok {
			t.Errorf("host of %s is %q, %v; want %q", host, got, ok, want)
		}
	}
	if got, ok := r.Eval(parse(t, "GET / HTTP/1.0"), netip.Addr{}); got != "" || !ok {
		t.Errorf("without a host: %q, %v; want nothing", got, ok)
	}
}

// What could make a request expensive, and what is no text, does not compile.
func TestCompileRefuses(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"empty", ``, "unexpected token EOF"},
		{"syntax", `path +`, "unexpected token EOF, at 1:"},
		{"name", "\n path + foo", "unknown name foo, at 2:9 of the text"},
		{"bool", `path == "/"`, "expected string, but got bool"},
		{"number", `len(path)`, "expected string, but got int"},
		{"function", `string(header("a") + string(cookie))`, `cookie wants a name in brackets, such as header("Host"), at 1:29`},
		{"types", `path + 1`, "mismatched types string and int"},
		{"arguments", `header()`, "not enough arguments to call header"},
		{"map", `map(split(path, "/"), #)[0]`, "not available"},
		{"filter", `filter(split(path, "/"), # != "")[0]`, "not available"},
		{"all", `all([path], # == "") ? path : ""`, "not available"},
		{"count", `string(count([true]))`, "count is not available"},
		{"sum", `string(sum([1]))`, "sum is not available"},
		{"reduce", `reduce([path], #acc + #, "")`, "not available"},
		{"range", `string(1..1000000000)`, "ranges are not available"},
		{"repeat", `repeat(path, 1000000)`, "repeat is not available"},
		{"replace", `replace(path, "/", query)`, "replace is not available"},
		{"join", `join(split(path, ""), query)`, "join is not available"},
		{"clock", `string(now())`, "now is not available"},
		{"json", `toJSON(path)`, "toJSON is not available"},
		{"let", `let a = path + path; a + a`, "variables and sequences are not available"},
		{"sequence", `path; query`, "variables and sequences are not available"},
		{"literal-map", `{"a": path}.a`, "maps and octets are not available"},
		{"octets", `string(b"a")`, "maps and octets are not available"},
		{"env", `$env["Path"]`, "$env is not available"},
		{"env-in", `"Path" in $env ? path : ""`, "$env is not available"},
		{"pattern-of-client", `path matches query ? path : ""`, "the pattern of matches must be a text in quotes"},
		{"pattern", `path matches "(" ? path : ""`, "missing closing )"},
		{"trim-of-client", `trim(path, query)`, "the second argument of trim must be a text in quotes"},
		{"split-of-client", `split(path, query)[0]`, "the second argument of split must be a text in quotes"},
		{"method-of-go", `path.String()`, "has no method String"},
		{"nodes", "path" + strings.Repeat("+path", maxNodes/2), "exceeds maximum allowed nodes"},
		{"length", `"` + strings.Repeat("a", MaxText-1) + `"`, "longer than 1024 octets"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Compile(tt.text)
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("Compile(%q) = %v; want one line with %q", tt.text, err, tt.want)
			}
		})
	}
	if _, err := Compile(`"` + strings.Repeat("a", MaxText-2) + `"`); err != nil {
		t.Errorf("Compile() of %d octets: %v", MaxText, err)
	}
}

// A panic stays in the evaluation, be it of the machine or before it.
func TestEvalSurvivesPanic(t *testing.T) {
	for _, text := range []string{"path", `header("X-Session")`} {
		r, err := Compile(text)
		if err != nil {
			t.Fatal(err)
		}
		if value, ok := r.Eval(nil, source); value != "" || ok { // a head that is not there
			t.Errorf("Eval() of %s without a head = %q, %v; want none", text, value, ok)
		}
		if _, ok := r.Eval(parse(t, sample), source); !ok {
			t.Errorf("%s has no value after a panic", text)
		}
	}
}

// Requests at the same time do not see each other's values.
func TestEvalAtOnce(t *testing.T) {
	r, err := Compile(`header("X-Session") + " " + path`)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 8 {
		head := parse(t, fmt.Sprintf("GET /%d HTTP/1.1\nHost: a\nX-Session: s%d", i, i))
		want := fmt.Sprintf("s%d /%d", i, i)
		wg.Go(func() {
			for range 500 {
				if got, ok := r.Eval(head, source); got != want || !ok {
					t.Errorf("Eval() = %q, %v; want %q", got, ok, want)
					return
				}
			}
		})
	}
	wg.Wait()
}

// A used evaluator holds nothing of the request.
func TestEvaluatorForgets(t *testing.T) {
	ev := getEvaluator()
	r, err := Compile(`path + header("X-Session") + method + query + host + source`)
	if err != nil {
		t.Fatal(err)
	}
	ev.fill(r.uses, parse(t, sample), source)
	if _, err := ev.machine.Run(r.program, &ev.env); err != nil {
		t.Fatal(err)
	}
	putEvaluator(ev)
	held := ev.env.Method + ev.env.Host + ev.env.Path + ev.env.Query + ev.env.Source
	for _, v := range ev.machine.Stack[:cap(ev.machine.Stack)] {
		held += fmt.Sprint(v)
	}
	if strings.ReplaceAll(held, "<nil>", "") != "" || ev.head != nil || ev.over {
		t.Errorf("a used evaluator holds %q", held)
	}
}
