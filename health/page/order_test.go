package page_test

import (
	"bytes"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"casbah/health/page"
)

// bare is text without markup.
func bare(html string) string {
	return strings.Join(strings.Fields(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(html, " ")), " ")
}

// section returns the text of the section with that heading.
func section(t *testing.T, v *page.View, id string) string {
	t.Helper()
	_, after, found := strings.Cut(render(t, v), `id="`+id+`"`)
	if !found {
		return ""
	}
	_, after, _ = strings.Cut(after, ">")
	part, _, _ := strings.Cut(after, "</section>")
	return strings.ReplaceAll(bare(part), "&#43;", "+")
}

// ordered is the sample with cas1 draining until some time and eas of cas2 in
// maintenance.
func ordered() *page.View {
	v := sample()
	drain := &page.Order{Firm: true, Since: noon.Add(-2 * time.Minute), Until: noon.Add(12 * time.Minute), Who: "ann", Why: "patches"}
	for i := range v.Pools[0].Servers[0].Services {
		set(v, 0, i, page.Drain, "")
		o := *drain // each service has its own
		v.Pools[0].Servers[0].Services[i].Order = &o
	}
	set(v, 1, 1, page.Maintenance, "")
	v.Pools[0].Servers[1].Services[1].Order = &page.Order{Since: noon.Add(-time.Hour)}
	return v
}

// A drain is counted down, for each service in its cell and in a line for those
// that share an order, with who ordered it, why, and what is left.
func TestOrdersAreCountedDown(t *testing.T) {
	got := section(t, ordered(), "h-orders")
	for _, want := range []string{
		"drain, firm cas1 all 3 protocols pool cas maintenance in 12 min, at 12:12:00 12 open, 1,500 bound to the server for 2 min by ann: patches Ready … for cas1",
		"maintenance cas2 eas pool cas until it is ordered ready 4 open, 1,500 bound to the server for 1 h Ready … for cas2",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the orders are %q; want %q there", got, want)
		}
	}
	if got := render(t, ordered()); strings.Count(got, "<small>12 min left · 4</small>") != 3 {
		t.Error("the cells of a drain do not say how long it lasts")
	}
	if got := section(t, sample(), "h-orders"); got != "" {
		t.Errorf("without an order there is %q", got)
	}
}

// A server that is down while it drains, as it is started again, goes into
// maintenance at its time all the same; nothing of it is closed before.
func TestDrainOfAServerThatIsDown(t *testing.T) {
	v := ordered()
	v.Pools[0].Servers[0].Services = v.Pools[0].Servers[0].Services[:2]
	set(v, 0, 0, page.Down, "refused")
	set(v, 0, 1, page.Down, "refused")
	v.Pools[0].Servers[0].Services[1].Order = &page.Order{Since: noon.Add(-time.Second), Wait: time.Minute}
	got := section(t, v, "h-orders")
	for _, want := range []string{"down cas1 owa pool cas maintenance in 12 min, at 12:12:00", "down cas1 eas pool cas until it is ordered ready"} {
		if !strings.Contains(got, want) {
			t.Errorf("the orders are %q; want %q there", got, want)
		}
	}
}

// What ends an order on the page ends no other one.
func TestReadyEndsOneOrder(t *testing.T) {
	v := ordered()
	services := v.Pools[0].Servers[0].Services
	set(v, 0, 2, page.Maintenance, "")
	services[2].Order = &page.Order{Since: noon.Add(-time.Hour), Why: "another matter"}
	got := render(t, v)
	if strings.Contains(got, `href="/order?do=ready&amp;pool=cas&amp;server=cas1"`) {
		t.Error("what ends the drain of owa and eas on cas1 ends the maintenance of outlook_anywhere as well")
	}
	if !strings.Contains(got, `href="/order?do=ready&amp;pool=cas&amp;profile=outlook_anywhere&amp;server=cas1"`) {
		t.Error("nothing ends the maintenance of outlook_anywhere")
	}
	set(v, 0, 1, page.Down, "refused") // the same order, in two states
	services[2].Order = nil
	if got := render(t, v); strings.Count(got, `href="/order?do=ready&amp;pool=cas&amp;profile=`) != 3 { // eas on cas2, too
		t.Error("owa and eas on cas1 have no links of their own")
	}
}

// S57: the page shows, of each profile, how it keeps clients, the version of its
// cookie, and the timeouts; S58: and that an operator has set one. VIPs that have
// it alike share a line.
func TestPersistenceOfEachProfile(t *testing.T) {
	v := sample()
	v.VIPs = append(v.VIPs, v.VIPs[0])
	v.VIPs[1].Name = "plain"
	got := section(t, v, "h-persistence")
	for _, want := range []string{
		"owa mail, plain insert_cookie, source_ip cookie CASBAH_ABCD, version 1, for 2 min 8 h Timeout … of owa",
		"eas mail, plain header Authorization 30 min Timeout … of eas set 1 h ago by ann: the table fills up",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the persistence is %q; want %q there", got, want)
		}
	}
}

// The protocols that have traffic stand with rate, median and 99th percentile.
func TestProtocolsUnderTraffic(t *testing.T) {
	got := section(t, sample(), "h-protocols")
	if want := "owa mail 40 /s 4.0 ms 240 ms 2xx 1.89 M down 4 1 more without a request."; !strings.Contains(got, want) {
		t.Errorf("the protocols are %q; want %q there", got, want)
	}
}

func TestDecisionsAndOutlook(t *testing.T) {
	for id, want := range map[string]string{
		"h-decisions": "11:59:00 rebound_ down 192.0.2.77 → cas1 owa of mail the binding was to cas2, which is down; least_conn chose cas1 source_ip: bound, cas2; header Authorization: absent",
		"h-outlook":   "split mail 20 connections, 41 channels on different servers: addresses 3",
	} {
		if got := section(t, sample(), id); !strings.Contains(got, want) {
			t.Errorf("section %s is %q; want %q there", id, got, want)
		}
	}
}

// Where no token is set, the page offers no order.
func TestReadOnlyPage(t *testing.T) {
	v := ordered()
	if !strings.Contains(render(t, v), `href="/order`) {
		t.Error("the page has no orders")
	}
	v.Changeable = false
	if got := render(t, v); strings.Contains(got, "/order?") || strings.Contains(got, "/order/") {
		t.Error("the page offers orders that nobody can give")
	}
}

// An address brings every field of an order back.
func TestAskIsItsAddress(t *testing.T) {
	a := page.Ask{Do: "drain", Pool: "p&q", Server: "cas1", Profile: "owa", Firm: true, By: "22:00", For: "30", Wait: "60", Minutes: "5", Who: "ann", Why: "a=b&c"}
	u, err := url.Parse(a.Address())
	if err != nil {
		t.Fatal(err)
	}
	if got := page.AskOf(u.Query()); got != a {
		t.Errorf("AskOf(%s) = %+v; want %+v", u, got, a)
	}
	if got := page.AskOf(url.Values{"do": {"rm -rf"}, "who": {" ann "}}); got != (page.Ask{Who: "ann"}) {
		t.Errorf("an unknown order is %+v", got)
	}
}

func sheet(t *testing.T, s *page.Sheet) string {
	t.Helper()
	if s.View == nil {
		s.View = sample()
	}
	var b bytes.Buffer
	if err := page.RenderSheet(&b, s); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// The forms: what is asked, what is said before it is confirmed, and that the
// token is asked for at the end alone, by POST.
func TestSheets(t *testing.T) {
	lone := sample()
	set(lone, 1, 0, page.Down, "")
	tests := []struct {
		name   string
		sheet  page.Sheet
		want   []string // in the text
		method string
		token  bool
	}{
		{"ask", page.Sheet{Ask: page.Ask{Server: "cas1"}, Changeable: true}, []string{"An order for cas1", "It concerns 3 services with 12 requests open.", "Maintenance at", "12:00 UTC"}, "get", false},
		{"ask-lone", page.Sheet{Ask: page.Ask{Pool: "cas", Server: "cas1", Profile: "owa"}, Changeable: true, View: lone}, []string{"owa on cas1 of pool cas", "1 service with 4 requests open. No other server is up for owa."}, "get", false},
		{"ask-pool", page.Sheet{Ask: page.Ask{Pool: "cas"}, Changeable: true}, []string{"6 services", "No other server is up for owa, eas and outlook_anywhere."}, "get", false},
		{"confirm-soft", page.Sheet{Ask: page.Ask{Do: "drain", Server: "cas1", By: "22:00", Wait: "60", Who: "ann", Why: "patches"}, Confirm: true, Changeable: true}, []string{"Drain cas1", "clients that are bound to it stay", "At 22:00 it goes into maintenance.", "after 60 seconds closed", "By ann: patches"}, "post", true},
		{"confirm-firm", page.Sheet{Ask: page.Ask{Do: "drain", Server: "cas1", Firm: true, For: "30"}, Confirm: true, Changeable: true}, []string{"and bound clients at their next request", "After 30 minutes"}, "post", true},
		{"confirm-maintenance", page.Sheet{Ask: page.Ask{Do: "maintenance", Server: "cas1"}, Confirm: true, Changeable: true}, []string{"Put cas1 into maintenance", "after 30 seconds closed"}, "post", true},
		{"confirm-ready", page.Sheet{Ask: page.Ask{Do: "ready", Server: "cas1"}, Confirm: true, Changeable: true}, []string{"Have cas1 serve again"}, "post", true},
		{"refused", page.Sheet{Ask: page.Ask{Do: "drain", Server: "cas1"}, Confirm: true, Changeable: true, Refusal: "nobody is left", Forceable: true}, []string{"Not done: nobody is left", "All the same"}, "post", true},
		{"not-saved", page.Sheet{Ask: page.Ask{Do: "drain", Server: "cas1"}, Confirm: true, Changeable: true, Refusal: "in force, but", InForce: true}, []string{"Done: in force, but"}, "post", true},
		{"timeout", page.Sheet{Ask: page.Ask{Do: "timeout", Profile: "eas"}, Changeable: true}, []string{"Persistence timeout in minutes", "Now: 30 min, set 1 h ago by ann: the table fills up"}, "get", false}, // S58
		{"confirm-timeout", page.Sheet{Ask: page.Ask{Do: "timeout", Profile: "eas", Minutes: "45"}, Confirm: true, Changeable: true}, []string{"Bindings last 45 minutes without use"}, "post", true},
		{"confirm-no-timeout", page.Sheet{Ask: page.Ask{Do: "timeout", Profile: "eas", Minutes: "0"}, Confirm: true, Changeable: true}, []string{"as the configuration file says"}, "post", true},
		{"reload", page.Sheet{Ask: page.Ask{Do: "reload"}, Confirm: true, Changeable: true}, []string{"Take the configuration file anew"}, "post", true},
		{"without-token", page.Sheet{Ask: page.Ask{Server: "cas1"}}, []string{"token_file is not set"}, "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := sheet(t, &tt.sheet)
			for _, want := range tt.want {
				if !strings.Contains(bare(got), want) {
					t.Errorf("the sheet lacks %q:\n%s", want, bare(got))
				}
			}
			var methods []string
			for _, m := range regexp.MustCompile(`<form[^>]* method="([a-z]*)"`).FindAllStringSubmatch(got, -1) {
				methods = append(methods, m[1])
			}
			if strings.Join(methods, " ") != tt.method || strings.Contains(got, `type="password"`) != tt.token {
				t.Errorf("forms %q, token %t; want %q, %t", methods, !tt.token, tt.method, tt.token)
			}
			if strings.Contains(got, " style=") || strings.Contains(got, " on") && regexp.MustCompile(`\son[a-z]+=`).MatchString(got) || strings.Contains(got, "<script") {
				t.Error("the sheet breaks its policy")
			}
		})
	}
}

// What the confirmation carries on is what was asked for.
func TestConfirmationCarriesTheOrder(t *testing.T) {
	a := page.Ask{Do: "drain", Pool: `"><script>`, Server: "cas1", Profile: "owa", Firm: true, By: "22:00", For: "30", Wait: "60", Who: "ann", Why: "why"}
	got := sheet(t, &page.Sheet{Ask: a, Confirm: true, Changeable: true})
	form := make(url.Values)
	for _, m := range regexp.MustCompile(`<input type="hidden" name="([a-z]+)" value="([^"]*)">`).FindAllStringSubmatch(got, -1) {
		form.Set(m[1], strings.NewReplacer("&#34;", `"`, "&gt;", ">", "&lt;", "<").Replace(m[2]))
	}
	if diff := cmp.Diff(a, page.AskOf(form)); diff != "" {
		t.Errorf("the form holds another order (-asked +held):\n%s", diff)
	}
}
