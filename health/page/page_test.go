package page_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"casbah/health/page"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func render(t *testing.T, v *page.View) string {
	t.Helper()
	var b bytes.Buffer
	if err := page.Render(&b, v); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestRenderGolden(t *testing.T) {
	mixed := sample()
	set(mixed, 1, 0, page.Down, "got 503, want one of 200, 302, 401")
	set(mixed, 1, 1, page.Drain, "")
	set(mixed, 0, 2, page.Maintenance, "")
	set(mixed, 1, 2, page.Unknown, "")
	mixed.ReloadError = "casbah.toml:3:1: unknown key"
	for name, v := range map[string]*page.View{"well": sample(), "mixed": mixed, "empty": {Now: noon, Started: noon}} {
		t.Run(name, func(t *testing.T) {
			golden := filepath.Join("testdata", name+".html")
			got := render(t, v)
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
				t.Errorf("Render() differs from %s (-want +got):\n%s", golden, diff)
			}
		})
	}
}

// A state is told by its word and its shape; colour comes on top.
func TestEveryStateHasWordAndShape(t *testing.T) {
	shapes := make(map[string]page.State)
	for _, st := range []page.State{page.Up, page.Down, page.Drain, page.Maintenance, page.Unknown} {
		t.Run(string(st), func(t *testing.T) {
			v := sample()
			set(v, 0, 0, st, "")
			got := render(t, v)
			use := `<svg class="shape" aria-hidden="true"><use href="#s-` + string(st) + `"/></svg>` + string(st) + `</span><small>`
			if !strings.Contains(got, use) {
				t.Errorf("the matrix lacks %s", use)
			}
			symbol := regexp.MustCompile(`<symbol id="s-` + string(st) + `"[^>]*>(.*)</symbol>`).FindStringSubmatch(got)
			if symbol == nil {
				t.Fatalf("no shape for %s", st)
			}
			if other, taken := shapes[symbol[1]]; taken {
				t.Errorf("%s has the shape of %s", st, other)
			}
			shapes[symbol[1]] = st
		})
	}
}

func TestStrangeStateIsShownAsUnknown(t *testing.T) {
	v := sample()
	set(v, 0, 0, "confused", "")
	if got := render(t, v); strings.Contains(got, "confused") || !strings.Contains(got, "owa on cas1: unknown") {
		t.Error("a state that the page does not know is not shown as unknown")
	}
}

// Probe errors and names come from elsewhere: none of it may become markup.
func TestEverythingIsEscaped(t *testing.T) {
	const evil = `"><script>alert(1)</script><img src=x onerror='x'>`
	v := sample()
	v.Version, v.Config, v.ReloadError = evil, evil, evil
	v.Events[0].Kind, v.Events[0].Text = evil, evil
	p := &v.VIPs[0]
	p.Name, p.Type, p.Pool, p.Listen, p.Profiles = evil, evil, evil, []string{evil}, []string{evil}
	p.Routes = []page.Route{{Hosts: []string{evil}, Pool: evil}}
	p.Answers[0].Name, p.Refused[0].Name, p.Ends[0].Name = evil, evil, evil
	v.Pools[0].Name, v.Pools[0].Algorithm, v.Pools[0].UpstreamTLS = evil, evil, evil
	v.Pools[0].Servers[0].Name, v.Pools[0].Servers[0].Address = evil, evil
	set(v, 0, 0, page.Down, evil)
	v.Pools[0].Servers[0].Services[0].Profile, v.Pools[0].Servers[0].Services[0].Probe = evil, evil
	set(v, 0, 1, evil, evil)
	v.Pools[0].Servers[0].Services[0].Order = &page.Order{Who: evil, Why: evil}
	p.Protocols = []page.Protocol{{
		Name: evil, Answers: []page.Count{{Name: evil}}, Kept: []string{evil}, Inserted: &page.Inserted{Name: evil}, Override: &page.Override{Who: evil, Why: evil},
	}}
	p.Outlook = &page.Outlook{Splits: []page.Count{{Name: evil}}}
	p.Certificates = []page.Certificate{{File: evil, Names: []string{evil}, Level: evil, Refused: evil}}
	v.Decided = []page.Decision{{VIP: evil, Profile: evil, Client: evil, Server: evil, Why: evil, Text: evil, Steps: []page.Step{{Name: evil, Found: evil, Server: evil}}}}
	v.Advice = []page.Advice{{Weight: evil, VIP: evil, Profiles: []string{evil}, Text: evil}}
	got := render(t, v)
	for _, bad := range []string{"<script>", "<img src=x", "onerror='"} {
		if strings.Contains(got, bad) {
			t.Errorf("the page contains %s", bad)
		}
	}
	if n := strings.Count(got, "&lt;script&gt;"); n < 40 {
		t.Errorf("the text is shown %d times; want it at each of its places", n)
	}
}

// The page is served with a policy that forbids inline code and style and
// foreign files.
func TestPageKeepsItsPolicy(t *testing.T) {
	v := sample()
	set(v, 0, 0, page.Down, "gone")
	got := render(t, v)
	for _, re := range []string{`\sstyle=`, `<style`, `\son[a-z]+=`, `<script[^>]*>[^<]`, `javascript:`, `(href|src)="[^/#]`, `(href|src)="//`} {
		if m := regexp.MustCompile(re).FindString(got); m != "" {
			t.Errorf("the page contains %q", m)
		}
	}
	for _, name := range []string{"style.css", "page.js", "order.js", "icon.svg"} {
		if !strings.Contains(got, `"/`+name+`"`) {
			t.Errorf("the page does not refer to %s", name)
		}
		data, err := page.Asset(name)
		if err != nil {
			t.Error(err)
		}
		if m := regexp.MustCompile(`(https?:)?//[a-z]+\.`).Find(bytes.ReplaceAll(data, []byte("http://www.w3.org/2000/svg"), nil)); m != nil {
			t.Errorf("%s refers to %s", name, m)
		}
	}
	if _, err := page.Asset("page.html"); err == nil {
		t.Error("Asset(page.html) gives the template away")
	}
}

func TestPageWorksWithoutScript(t *testing.T) {
	if got := render(t, sample()); !strings.Contains(got, `<noscript><meta http-equiv="refresh"`) {
		t.Error("without script the page stands still")
	}
}

func TestIDsAreUnique(t *testing.T) {
	v := sample()
	v.Pools = append(v.Pools, v.Pools[0])
	v.Pools[1].Name = "edge"
	seen := make(map[string]bool)
	for _, m := range regexp.MustCompile(`\sid="([^"]*)"`).FindAllStringSubmatch(render(t, v), -1) {
		if seen[m[1]] {
			t.Errorf("id %s is there twice", m[1])
		}
		seen[m[1]] = true
	}
	if len(seen) < 12 {
		t.Errorf("%d ids; want one for each card at least", len(seen))
	}
}

// A card that is open stays that of its service, though a reload brings another
// server, profile or pool in front of it: what is ordered there is meant for it.
func TestCardsStayThoseOfTheirServices(t *testing.T) {
	id := func(v *page.View) string {
		t.Helper()
		m := regexp.MustCompile(`popovertarget="([^"]*)" title="eas on cas2:`).FindStringSubmatch(render(t, v))
		if m == nil || !strings.Contains(render(t, v), `<div id="`+m[1]+`" class="card `) {
			t.Fatal("eas on cas2 has no card")
		}
		return m[1]
	}
	v := sample()
	before := id(v)
	v.Pools[0].Servers = append([]page.Server{{Name: "cas0", Services: v.Pools[0].Servers[0].Services}}, v.Pools[0].Servers...)
	v.Pools = append([]page.Pool{{Name: "edge", Servers: []page.Server{{Name: "edge1", Services: []page.Service{{Profile: "oab"}}}}}}, v.Pools...)
	for i := range v.Pools[1].Servers {
		s := &v.Pools[1].Servers[i]
		s.Services = append([]page.Service{{Profile: "ecp"}}, s.Services...)
	}
	if after := id(v); after != before {
		t.Errorf("the card of eas on cas2 is %s, and was %s", after, before)
	}
}

// A matrix has the profiles of its pool alone, and pools with the same servers
// share one, unless both have a profile.
func TestMatrixOfEachPool(t *testing.T) {
	columns := func(v *page.View) []string {
		var heads []string
		for _, table := range regexp.MustCompile(`(?s)<table class="matrix".*?</thead>`).FindAllString(render(t, v), -1) {
			text := regexp.MustCompile(`<[^>]*>`).ReplaceAllString(strings.ReplaceAll(table, "</th>", " "), "")
			heads = append(heads, strings.Join(strings.Fields(text), " "))
		}
		return heads
	}
	v := sample()
	v.Pools = append(v.Pools, page.Pool{Name: "edge", Servers: []page.Server{{Name: "edge1", Services: []page.Service{{Profile: "oab", State: page.Up}}}}})
	if got, want := columns(v), []string{"Server owa eas outlook_anywhere Open Bindings", "Server oab Open Bindings"}; !cmp.Equal(got, want) {
		t.Errorf("two pools: %q; want %q", got, want)
	}
	if strings.Contains(render(t, v), "not served") {
		t.Error("a profile of another pool stands as not served")
	}
	mail := page.Pool{Name: "mail"}
	for i := 1; i <= 2; i++ {
		mail.Servers = append(mail.Servers, page.Server{Name: fmt.Sprintf("cas%d", i), Address: fmt.Sprintf("192.0.2.1%d:143", i), Services: []page.Service{{Profile: "imap4", State: page.Up}}})
	}
	v = sample()
	v.Pools = append(v.Pools, mail)
	if got, want := columns(v), []string{"Server owa eas outlook_anywhere imap4 Open Bindings"}; !cmp.Equal(got, want) {
		t.Errorf("two pools with the same servers: %q; want %q", got, want)
	}
	if got := render(t, v); !strings.Contains(got, "192.0.2.11:80, 192.0.2.11:143") || !strings.Contains(got, `href="/order?pool=mail&amp;profile=imap4&amp;server=cas1"`) {
		t.Error("a shared matrix lacks the address, or the pool, of the second")
	}
	v.Pools[1].Servers[0].Services[0].Profile = "eas"
	if got := columns(v); len(got) != 2 {
		t.Errorf("two pools with a profile in common share a matrix: %q", got)
	}
}

func TestNamesWithAnotherPoolAreShown(t *testing.T) {
	v := sample()
	v.VIPs[0].Routes = []page.Route{{Hosts: []string{"app.example.org", "*.app.example.org"}, Pool: "app"}}
	if want := "<small>pool cas; app.example.org, *.app.example.org: pool app</small>"; !strings.Contains(render(t, v), want) {
		t.Errorf("the page does not hold %s", want)
	}
}

func TestRenderLiveIsInThePage(t *testing.T) {
	var live bytes.Buffer
	if err := page.RenderLive(&live, sample()); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(render(t, sample()), `<div id="live">`+live.String()+`</div>`) {
		t.Error("RenderLive is not what #live of Render holds")
	}
}

func TestEventsAreBounded(t *testing.T) {
	v := sample()
	for range 100 {
		v.Events = append(v.Events, page.Event{At: noon, Kind: "service", Text: "flapping"})
	}
	if n := strings.Count(render(t, v), "flapping"); n >= 100 || n < 10 {
		t.Errorf("%d of 100 events are shown", n)
	}
}

// No field has room for a secret.
func TestViewHoldsNoSecret(t *testing.T) {
	forbidden := regexp.MustCompile(`(?i)token|secret|password|passphrase|cookie|key|user|authorization`)
	var walk func(reflect.Type, string)
	walk = func(typ reflect.Type, path string) {
		for typ.Kind() == reflect.Slice {
			typ = typ.Elem()
		}
		if typ.Kind() != reflect.Struct || typ.PkgPath() != reflect.TypeFor[page.View]().PkgPath() {
			return
		}
		for f := range typ.Fields() {
			if forbidden.MatchString(f.Name) {
				t.Errorf("%s.%s", path, f.Name)
			}
			walk(f.Type, path+"."+f.Name)
		}
	}
	walk(reflect.TypeFor[page.View](), "View")
}
