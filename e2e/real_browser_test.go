package e2e

import (
	"context"
	"fmt"
	"iter"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// browser is a real Chromium with a profile of its own.
type browser struct {
	t   *testing.T
	ctx context.Context //nolint:containedctx // it is the browser, as chromedp has it

	mu         sync.Mutex // guards the field below
	complaints []string   // what pages wrote to the console as an error
}

// browserLab starts a lab for tests with a browser.
func browserLab(t *testing.T) (*process, *browser) {
	t.Helper()
	real(t)
	peer(t, "chromium")
	return startLab(t), newBrowser(t)
}

// newBrowser starts Chromium. It takes the lab's certificate, which it does not
// know, and talks to nobody but the lab. More are flags of its own.
func newBrowser(t *testing.T, more ...chromedp.ExecAllocatorOption) *browser {
	t.Helper()
	flags := []chromedp.ExecAllocatorOption{chromedp.ExecPath(peer(t, "chromium")), chromedp.UserDataDir(scratch(t))}
	for _, name := range []string{
		"headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking",
		"disable-component-update", "disable-sync", "disable-dev-shm-usage", "hide-scrollbars", "ignore-certificate-errors",
	} {
		flags = append(flags, chromedp.Flag(name, true))
	}
	allocator, stop := chromedp.NewExecAllocator(context.Background(), append(flags, more...)...)
	t.Cleanup(stop)
	ctx, leave := chromedp.NewContext(allocator)
	t.Cleanup(leave)
	b := &browser{t: t, ctx: ctx}
	b.run(chromedp.Navigate("about:blank")) // starts it
	var listening sync.WaitGroup
	messages := chromedp.Console(ctx)
	listening.Go(func() { b.listen(messages) })
	t.Cleanup(func() {
		leave()
		listening.Wait()
	})
	return b
}

// scratch is t.TempDir for a program whose children may write on for a moment
// after it has ended.
func scratch(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "casbah-chromium-") //nolint:usetesting // see above
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		var err error
		for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
			if err = os.RemoveAll(dir); err == nil {
				return
			}
		}
		t.Error(err)
	})
	return dir
}

// listen notes what goes wrong in a page: exceptions, and what the console has
// as an error, such as a breach of the page's own security policy.
func (b *browser) listen(messages iter.Seq2[chromedp.ConsoleMessage, error]) {
	for m, err := range messages {
		if err != nil {
			return // the browser is gone
		}
		if m.Type == chromedp.ConsoleError || m.IsException() {
			b.mu.Lock()
			b.complaints = append(b.complaints, m.String()+" "+m.URL)
			b.mu.Unlock()
		}
	}
}

func (b *browser) run(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	for _, action := range actions {
		value(b, action)
	}
}

// value returns what an action comes to.
func value[T any](b *browser, action chromedp.Action[T]) T {
	b.t.Helper()
	ctx := b.ctx
	if chromedp.FromContext(ctx).Target != nil { // a time limit on the first action would be one on the browser
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, patience)
		defer cancel()
	}
	v, err := chromedp.Run(ctx, action)
	if err != nil {
		b.t.Fatal(err)
	}
	return v
}

// is returns what a JavaScript expression comes to in the page.
func is[T any](b *browser, expression string) T {
	b.t.Helper()
	return value(b, chromedp.Evaluate[T](expression))
}

// sees waits until a JavaScript expression is true in the page.
func (b *browser) sees(what, expression string) {
	b.t.Helper()
	for deadline := time.Now().Add(time.Minute); !is[bool](b, expression); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.t.Fatalf("waited a minute in vain to see %s: %s\n%s", what, expression, is[string](b, "document.body.innerText"))
		}
	}
}

// quiet fails the test if a page has complained, but for complaints that hold one
// of the words that the test has provoked.
func (b *browser) quiet(provoked ...string) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.complaints {
		if !slices.ContainsFunc(provoked, func(word string) bool { return strings.Contains(c, word) }) {
			b.t.Errorf("the browser complains: %s", c)
		}
	}
}

// logon fills in the form of Outlook Web App and returns the server of the
// mailbox that opens.
func (b *browser) logon(user, password string) string {
	b.t.Helper()
	b.run(
		chromedp.WaitVisible("#username"), chromedp.SendKeys("#username", user), chromedp.SendKeys("#password", password),
		chromedp.Submit("#password"), chromedp.WaitVisible("#user"),
	)
	if got := is[string](b, "document.querySelector('#user').textContent"); got != user {
		b.t.Fatalf("signed in as %q; want %q", got, user)
	}
	return b.server()
}

// server returns the server that the page names.
func (b *browser) server() string {
	b.t.Helper()
	return is[string](b, "document.querySelector('#server').textContent")
}

// read turns n pages and fails if one is not the server's.
func (b *browser) read(n int, server string) {
	b.t.Helper()
	for range n {
		next := is[int](b, "Number(document.querySelector('#page').textContent)") + 1
		b.run(chromedp.Click("#next"), chromedp.WaitVisible(fmt.Sprintf("//*[@id='page'][text()='%d']", next)))
		if got := b.server(); got != server {
			b.t.Fatalf("page %d comes from %s; want %s", next, got, server)
		}
	}
}

// S15, S26: a person reads mail on one server; when it stops, the next page asks
// for a login elsewhere, once, and there they stay.
func TestRealBrowserKeepsItsServer(t *testing.T) {
	t.Parallel()
	real(t)
	peer(t, "chromium")
	p := startLab(t)
	for _, engine := range drivers {
		t.Run(engine, func(t *testing.T) {
			q := p.in(t).front(engine)
			newBrowser(t).keepsItsServer(q)
		})
	}
}

func (b *browser) keepsItsServer(p *process) {
	t := b.t
	b.run(chromedp.Navigate(p.https + "/"))
	home := b.logon("bob", "Secret2")
	b.read(10, home)
	p.order(home + "/stop")
	defer p.order(home + "/start")
	b.run(chromedp.Click("#next"), chromedp.WaitVisible("#username"))
	asks := b.server()
	if asks == home {
		t.Fatalf("%s has stopped and asks for a login", home)
	}
	if second := b.logon("bob", "Secret2"); second != asks {
		t.Fatalf("the second login is on %s; want %s, which asked for it", second, asks)
	}
	b.read(10, asks)
}

// The page shows a service go down and come back while somebody looks at it.
func TestRealBrowserSeesTheMatrixTurn(t *testing.T) {
	t.Parallel() // it waits most of the time
	p, b := browserLab(t)
	b.run(chromedp.Navigate(p.admin+"/"), chromedp.WaitVisible("table.matrix"))
	is[bool](b, "window.untouched = true")
	cell := func(state string) string {
		return fmt.Sprintf(`[...document.querySelectorAll("table.matrix tbody tr")]
			.find(r => r.querySelector("th b")?.textContent === "cas2")
			?.querySelector('td[data-label="eas"]')?.classList.contains("s-%s") === true`, state)
	}
	b.sees("eas on cas2 up", cell("up"))
	p.order("cas2/eas/503")
	b.sees("eas on cas2 down", cell("down"))
	b.sees("the headline tell of it", `/eas .*cas2|cas2.* eas/.test(document.querySelector("h1").textContent)`)
	b.sees("the answer of the server", `document.body.innerText.includes("got 503")`)
	p.order("cas2/eas/ok")
	b.sees("eas on cas2 up again", cell("up"))
	b.sees("the headline content", `document.querySelector("h1").textContent.startsWith("All well")`)
	if !is[bool](b, "window.untouched === true") {
		t.Error("the page was loaded anew; want it to change in place")
	}
	for _, what := range []string{"stop", "start"} {
		p.order("cas3/" + what)
		state := map[string]string{"stop": "down", "start": "up"}[what]
		b.sees("every protocol on cas3 "+state, fmt.Sprintf(`[...document.querySelectorAll("table.matrix tbody tr")]
			.find(r => r.querySelector("th b")?.textContent === "cas3")?.querySelectorAll("td.s-%s").length === 9`, state))
	}
	b.quiet()
}

// withoutScripts has the browser run no script of a page.
func withoutScripts(ctx context.Context, t *chromedp.Target) (v chromedp.Void, err error) {
	_, err = cdp.Call(ctx, t, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	return v, err
}

// Without scripts the facts are there, and the page says how it is kept current.
func TestRealBrowserWithoutScripts(t *testing.T) {
	t.Parallel()
	p, b := browserLab(t)
	b.run(withoutScripts, chromedp.Navigate(p.admin+"/"), chromedp.WaitVisible("table.matrix"))
	text := is[string](b, "document.body.innerText")
	for _, want := range []string{"All well: 15 protocols, each on 3 servers.", "cas1", "cas3", "autodiscover", "up", "least_conn", "reloads every 5 s"} {
		if !strings.Contains(text, want) {
			t.Errorf("without scripts the page does not say %q:\n%s", want, text)
		}
	}
	if !is[bool](b, `document.documentElement.classList.contains("live") === false`) {
		t.Error("a script ran")
	}
	b.quiet()
}
