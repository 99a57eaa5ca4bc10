package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
)

// token returns the one that the lab's casbah wants for changes.
func (p *process) token() string {
	p.t.Helper()
	m := regexp.MustCompile(`(?m)^token_file = "(.*)"`).FindStringSubmatch(contents(p.t, p.conf))
	if m == nil {
		p.t.Fatal("the lab's configuration has no token_file")
	}
	return strings.TrimSpace(contents(p.t, m[1]))
}

// pressed gives the focus to what a selector finds and presses keys there: no
// mouse has a part in it.
func (b *browser) pressed(selector, keys string) {
	b.t.Helper()
	b.focus(selector)
	b.run(chromedp.KeyEvent(keys))
}

// focus gives the focus to what a selector finds, once it is there.
func (b *browser) focus(selector string) {
	b.t.Helper()
	b.sees(selector, fmt.Sprintf(`document.querySelector(%q) !== null`, selector))
	is[bool](b, fmt.Sprintf(`{ const e = document.querySelector(%q); e.focus(); document.activeElement === e }`, selector))
}

// enter presses Enter as a keyboard does, with its character at once. KeyEvent sends
// that behind it: a link is followed by the key, and the character would send the form
// that has come meanwhile.
func (b *browser) enter() {
	b.t.Helper()
	const code = 13
	down := input.DispatchKeyEventParams{
		Type: input.DispatchKeyEventTypeKeyDown, Key: "Enter", Code: "Enter", Text: "\r", UnmodifiedText: "\r",
		WindowsVirtualKeyCode: code, NativeVirtualKeyCode: code,
	}
	up := down
	up.Type, up.Text, up.UnmodifiedText = input.DispatchKeyEventTypeKeyUp, "", ""
	b.run(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, input.DispatchKeyEvent, down)
		if err == nil {
			_, err = cdp.Call(ctx, t, input.DispatchKeyEvent, up)
		}
		return err
	}))
}

// opens presses the link to the order of that address.
func (b *browser) opens(address string) {
	b.t.Helper()
	b.focus(fmt.Sprintf(`#live a[href="%s"]`, address))
	b.enter()
	b.sees("the dialog", `document.querySelector("dialog[open] h1") !== null && document.querySelector("dialog").contains(document.activeElement)`)
}

// cellsOf returns an expression that is true if a server has so many cells in a state.
func cellsOf(server, state string, n int) string {
	return fmt.Sprintf(`[...document.querySelectorAll("table.matrix tbody tr")]
		.find(r => r.querySelector("th b")?.textContent === %q)?.querySelectorAll("td.s-%s").length === %d`, server, state, n)
}

// A person without a mouse drains a server from the page, sees the time run down
// for each protocol and maintenance begin, and has it serve again. The token is
// typed once, and kept nowhere that outlives the document.
func TestRealPageDrains(t *testing.T) {
	t.Parallel() // it waits most of the time
	p, b := browserLab(t)
	b.run(chromedp.Navigate(p.admin+"/"), chromedp.WaitVisible("table.matrix"))
	b.opens("/order?server=cas2")
	b.run(chromedp.KeyEvent("\x1b"))
	b.sees("the page again, at the link", `!document.querySelector("dialog").open && document.activeElement.getAttribute("href") === "/order?server=cas2"`)
	b.opens("/order?server=cas2")
	is[bool](b, `{ const sheet = "<main data-sheet>" + dialog.innerHTML + "</main>";
		dialog.addEventListener("close", () => { window.closes = 1; }); dialog.close(); place(sheet); true }`)
	b.sees("the dialog keep its form, though it closed and opened in one moment", `window.closes === 1 && dialog.querySelector("input[name=firm]") !== null`)
	b.pressed("dialog input[name=firm]", " ")
	b.pressed("dialog input[name=for]", "1")
	b.pressed("dialog input[name=wait]", "2")
	b.pressed("dialog input[name=who]", "ann")
	b.pressed("dialog input[name=why]", "patches\r")
	b.sees("what will happen", `/Drain cas2.*After 1 minutes it goes into maintenance.*after 2 seconds closed.*9 services.*By ann: patches/s.test(document.querySelector("dialog").innerText)`)
	b.pressed("dialog input[name=token]", "wrong\r")
	b.sees("the refusal", `document.querySelector("dialog [role=alert]")?.innerText.includes("that is not the token") === true`)
	if state := p.states("cas2", ""); state != "up" {
		t.Fatalf("without the token cas2 is %s", state)
	}
	b.pressed("dialog input[name=token]", p.token()+"\r")
	b.sees("the dialog go", `!document.querySelector("dialog").open`)
	b.sees("a firm drain with its end", cellsOf("cas2", "drain", 9)+` && /drain, firm\s+cas2 all 9 protocols.*maintenance in \d+ s, at .*by ann: patches/s.test(document.querySelector(".standing").innerText)`)
	left := `Number(/maintenance in (\d+) s/.exec(document.querySelector(".standing").innerText)?.[1] ?? 0)`
	before := is[int](b, left)
	b.sees("the time run down", fmt.Sprintf(`%s < %d && /\d+ s left/.test(document.querySelector("td.s-drain small").textContent)`, left, before-2))
	p.until("the minute is over", func() bool { return p.states("cas2", "") == "maintenance" })
	b.sees("maintenance", cellsOf("cas2", "maintenance", 9)+` && document.querySelector("h1").textContent === "Mail is working; cas2 is in maintenance."`)
	b.opens("/order?do=ready&pool=cas&server=cas2")
	b.pressed("dialog input[name=who]", "\r")
	b.sees("that the token is still known", `document.querySelector("dialog input[name=token]")?.value.length > 10`)
	if kept := is[string](b, `JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])`); kept != `[{},{},""]` {
		t.Errorf("the browser keeps %s", kept)
	}
	is[bool](b, `window.setTimeout = (real => (f, after) => real(f, after === 600000 ? 1 : after))(setTimeout); true`) // ten minutes pass at once
	b.pressed("dialog input[name=token]", "\r")
	b.sees("cas2 serve again", cellsOf("cas2", "up", 9)+` && document.querySelector(".standing .s-drain, .standing .s-maintenance") === null`)
	b.opens("/order?server=cas2")
	b.pressed("dialog input[name=who]", "\r")
	b.sees("that the token is forgotten", `document.querySelector("dialog input[name=token]")?.value === ""`)
	b.quiet("status of 403") // that of the wrong token
}

// What came of an order is told above the form that was opened since, and takes
// nothing of that away; one that is done closes no other form.
func TestRealPageAnswersLate(t *testing.T) {
	t.Parallel()
	p, b := browserLab(t)
	b.run(chromedp.Navigate(p.admin+"/"), chromedp.WaitVisible("table.matrix"))
	is[bool](b, `{ const real = fetch; // orders leave at once, their answers come when they are let
		window.fetch = (a, o) => o?.method === "POST" ? real(a, o).then(r => new Promise(done => { window.answer = () => done(r); })) : real(a, o); true }`)
	give := func(token string) {
		t.Helper()
		b.opens("/order?server=cas1")
		b.pressed("dialog input[name=who]", "\r")
		b.pressed("dialog input[name=token]", token+"\r")
		b.sees("the answer held back", `typeof window.answer === "function"`)
		b.run(chromedp.KeyEvent("\x1b"))
		b.sees("the dialog go", `!dialog.open && dialog.childElementCount === 0`)
		b.opens("/order?server=cas2")
		b.pressed("dialog input[name=why]", "half a rea")
		is[bool](b, `window.answer(); window.answer = null; true`)
	}
	const kept = `dialog.open && dialog.querySelector("h1").textContent === "An order for cas2" && dialog.querySelector("input[name=why]").value === "half a rea"`
	give("wrong")
	b.sees("the refusal above the other form", kept+` && dialog.querySelector("[role=alert]")?.textContent === "Drain cas1: Not done: that is not the token"`)
	b.run(chromedp.KeyEvent("\x1b"))
	b.sees("the dialog go, with all that was in it", `!dialog.open && dialog.childElementCount === 0`)
	give(p.token())
	p.until("cas1 drains", func() bool { return p.states("cas1", "") == "drain" })
	b.sees("the drain on the page", `document.getElementById("h-orders")?.parentElement.innerText.includes("cas1 all 9 protocols") === true`)
	if !is[bool](b, kept) {
		t.Errorf("the order for cas1 was done, and the form for cas2 is gone: %s", is[string](b, "dialog.innerText"))
	}
	b.pressed("dialog input[name=why]", "\r")
	b.sees("the token in the next form", `dialog.querySelector("input[name=token]")?.value.length > 10`)
	if !is[bool](b, `{ const wait = setTimeout; window.setTimeout = f => f(); remember(token); window.setTimeout = wait; // ten minutes pass
		token === "" && dialog.querySelector("input[name=token]").value === "" }`) {
		t.Error("a form that nobody has sent keeps the token for longer than ten minutes")
	}
	b.quiet("status of 403")
}

// A stream that falls silent is given up for another one, again and again until one
// speaks.
func TestRealPageComesBack(t *testing.T) {
	t.Parallel()
	p, b := browserLab(t)
	b.run(chromedp.Navigate(p.admin+"/"), chromedp.WaitVisible("table.matrix"))
	b.sees("the first frame", `document.documentElement.classList.contains("live")`)
	is[bool](b, `{ const real = EventSource, wait = setTimeout;
		class Silent extends EventTarget { constructor() { super(); window.silent = (window.silent ?? 0) + 1; } close() {} }
		window.setTimeout = (f, after) => wait(f, after === 8000 ? 100 : after); // frames come every two seconds
		window.EventSource = Silent;
		window.speak = () => { window.setTimeout = wait; window.EventSource = real; }; true }`)
	b.sees("several streams tried, and what is shown marked as old", `window.silent > 3 && document.documentElement.classList.contains("stale") && !document.getElementById("lost").hidden`)
	is[bool](b, `window.speak(); true`)
	b.sees("the page live again", `document.documentElement.classList.contains("live") && document.getElementById("lost").hidden`)
	b.quiet()
}

// S58: without scripts the same forms stand on pages of their own: one protocol on
// one server, what would leave nobody, and the persistence timeout in minutes.
func TestRealPageOrdersWithoutScripts(t *testing.T) {
	t.Parallel()
	p, b := browserLab(t)
	token := p.token()
	give := func(first string, fields map[string]string) {
		t.Helper()
		b.run(chromedp.Navigate(p.admin+first), chromedp.WaitVisible("button.go"))
		for name, value := range fields {
			if name == "do" {
				b.run(chromedp.Click(`input[name=do][value=` + value + `]`))
			} else {
				b.run(chromedp.SetValue(`input[name=`+name+`]`, value))
			}
		}
		b.run(chromedp.Click("button.go"), chromedp.WaitVisible("input[name=token]"), chromedp.SendKeys("input[name=token]", token), chromedp.Click("button.go"))
	}
	b.run(withoutScripts)
	for _, server := range []string{"cas1", "cas2"} {
		give("/order?pool=cas&server="+server+"&profile=owa", map[string]string{"do": "maintenance", "who": "ann"})
		b.run(chromedp.WaitVisible("table.matrix"))
		p.until("owa of "+server+" is in maintenance", func() bool { return p.states(server, "owa") == "maintenance" })
	}
	if state := p.states("cas1", "ecp"); state != "up" {
		t.Errorf("ecp of cas1 is %s, though owa alone was meant", state)
	}
	give("/order?pool=cas&server=cas3&profile=owa", map[string]string{"do": "drain"})
	b.run(chromedp.WaitVisible(".refusal"))
	if got := is[string](b, "document.body.innerText"); !strings.Contains(got, "it would leave no server for new clients of") || p.states("cas3", "owa") != "up" {
		t.Fatalf("owa of cas3 is %s:\n%s", p.states("cas3", "owa"), got)
	}
	b.run(chromedp.Click("input[name=force]"), chromedp.SendKeys("input[name=token]", token), chromedp.Click("button.go"), chromedp.WaitVisible("table.matrix"))
	p.until("owa of cas3 drains", func() bool { return p.states("cas3", "owa") == "drain" })

	give("/order?do=timeout&profile=eas", map[string]string{"minutes": "45", "who": "ann", "why": "the table fills up"})
	b.run(chromedp.WaitVisible("table.matrix"))
	if got := is[string](b, `document.querySelector("#h-persistence").parentElement.innerText`); !regexp.MustCompile(`(?s)eas\s.*45 min.*by ann: the table fills up`).MatchString(got) {
		t.Errorf("the timeout of eas is not 45 minutes:\n%s", got)
	}
	b.quiet("status of 409")
}

// colours has the browser prefer a scheme, light or dark.
func colours(scheme string) chromedp.Action[chromedp.Void] {
	return func(ctx context.Context, t *chromedp.Target) (v chromedp.Void, err error) {
		_, err = cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return v, err
	}
}

// axe returns the source of axe-core, which peers.sh installs.
func axe(t *testing.T) string {
	t.Helper()
	root, err := exec.Command(peer(t, "npm"), "root", "-g").Output()
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(root)), "axe-core", "axe.min.js"))
	if err != nil {
		t.Fatalf("%v: sh e2e/peers.sh installs it", err)
	}
	return string(source)
}

// accessible fails the test for each rule of axe-core that what is shown breaks:
// contrasts, names, roles, order, focus.
func (b *browser) accessible(where, source string) {
	b.t.Helper()
	is[bool](b, source+"; true")
	found := value(b, chromedp.Evaluate[string](`axe.run({ resultTypes: ["violations"] }).then(r => JSON.stringify({
		passes: r.passes.length, violations: r.violations.map(v => v.id + ": " + v.help + ": " + v.nodes.slice(0, 3).map(n => n.html + " " + n.failureSummary).join(" | ")) }))`,
		chromedp.EvalAwaitPromise))
	var r struct {
		Passes     int
		Violations []string
	}
	if err := json.Unmarshal([]byte(found), &r); err != nil {
		b.t.Fatal(err)
	}
	if r.Passes < 10 {
		b.t.Errorf("%s: %d rules were looked at; want more", where, r.Passes)
	}
	for _, v := range r.Violations {
		b.t.Errorf("%s: %s", where, v)
	}
}

// inside fails the test if the page is wider than its window, or something stands
// outside it that no table lets scroll.
func (b *browser) inside(where string, width int64) {
	b.t.Helper()
	if wide := is[int64](b, "document.documentElement.scrollWidth"); wide > width {
		b.t.Errorf("%s is %d px wide", where, wide)
	}
	outside := is[[]string](b, `[...document.querySelectorAll("td, th, h1, h2, li, dd, p, a, .tally, label, input, button")].filter(e => e.checkVisibility() && !e.closest(".scroll, .unseen"))
		.filter(e => e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML)`)
	if len(outside) > 0 {
		b.t.Errorf("in %s these stand outside: %q", where, outside)
	}
	cut := is[[]string](b, `[...document.querySelectorAll("td.cell small, td.cell .state")].filter(e => e.checkVisibility() && e.scrollWidth > e.clientWidth + 1).map(e => e.textContent)`)
	if len(cut) > 0 {
		b.t.Errorf("in %s these are cut: %q", where, cut)
	}
}

// The page fits a phone and a desk, light and dark, and nobody is kept from it: with
// all that it can show, and with the forms of orders.
func TestRealPageFitsEverybody(t *testing.T) {
	t.Parallel() // it waits most of the time
	p, b := browserLab(t)
	source := axe(t)
	p.order("cas2/owa/503")
	order := func(path, body string) {
		t.Helper()
		p.curl("-fsS", "-H", "Authorization: Bearer "+p.token(), "-d", body, p.admin+"/api/v1/"+path)
	}
	order("drain", `{"server": "cas3", "firm": true, "for": "30m", "who": "ann", "why": "patches"}`)
	order("maintenance", `{"server": "cas1", "pool": "cas", "profile": "oab"}`)
	p.until("owa on cas2 is down", func() bool { return p.states("cas2", "owa") == "down" })
	for _, scheme := range []string{"light", "dark"} {
		for _, width := range []int64{390, 1100, 1400} {
			where := fmt.Sprintf("the page, %s, %d px", scheme, width)
			look := func(where string) {
				t.Helper()
				b.inside(where, width)
				if width != 1100 { // where the tables scroll: nothing else is new
					b.accessible(where, source)
				}
			}
			b.run(colours(scheme), chromedp.EmulateViewport(width, 900), chromedp.Navigate(p.admin+"/"), chromedp.WaitVisible("table.matrix"))
			look(where)
			b.run(chromedp.Click(`td.cell.s-down button`), chromedp.WaitVisible(`.card:popover-open`))
			look("a card of " + where)
			b.run(chromedp.KeyEvent("\x1b"))
			b.opens("/order?server=cas2")
			look("the dialog of " + where)
			for _, path := range []string{"/order?server=cas2", "/order/confirm?do=drain&server=cas2&why=x", "/order?do=timeout&profile=eas", "/order/confirm?do=reload"} {
				b.run(chromedp.Navigate(p.admin+path), chromedp.WaitVisible("main.order"))
				where := fmt.Sprintf("%s, %s, %d px", path, scheme, width)
				look(where)
			}
		}
	}
	b.quiet()
}
