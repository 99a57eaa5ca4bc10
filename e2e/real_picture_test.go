package e2e

import (
	"context"
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// TestRealPagePicture writes a picture of the page, of a lab under traffic with one
// fault, to the file that CASBAH_PICTURE names:
//
//	CASBAH_REAL=1 CASBAH_PICTURE=$PWD/docs/images/page.png go test -run RealPagePicture ./e2e
func TestRealPagePicture(t *testing.T) {
	path := os.Getenv("CASBAH_PICTURE")
	if path == "" {
		t.Skip("writes docs/images/page.png where CASBAH_PICTURE names it")
	}
	p, b := browserLab(t)
	ctx, leave := context.WithCancel(t.Context())
	var crowd sync.WaitGroup
	for i := range 40 {
		crowd.Go(func() { newPerson(t, p, i).work(ctx) })
	}
	b.run(chromedp.EmulateViewport(1400, 900), chromedp.Navigate(p.admin+"/"), chromedp.WaitVisible("table.matrix"))
	time.Sleep(90 * time.Second) // the curve of the last minutes is part of the picture
	p.order("cas2/eas/503")
	b.sees("the fault", `document.body.innerText.includes("got 503")`)
	time.Sleep(12 * time.Second) // and the rate without the moment of the fault
	b.run(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		picture, err := chromedp.FullScreenshot(100)(ctx, t)
		if err != nil {
			return err
		}
		return os.WriteFile(path, picture, 0o644)
	}))
	leave()
	crowd.Wait()
}

// person is a user of the lab at a source address of their own.
type person struct {
	*http.Client
	base, name, password string
}

func newPerson(t *testing.T, p *process, i int) *person {
	t.Helper()
	names := []string{"alice", "bob", "carol", "dave"}
	d := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(i+1))}}
	tr := &http.Transport{
		DialContext:     d.DialContext,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // a picture has no secrets
	}
	t.Cleanup(tr.CloseIdleConnections)
	return &person{
		Client: &http.Client{Transport: tr, Jar: newJar()},
		base:   p.https, name: names[i%4], password: fmt.Sprintf("Secret%d", i%4+1),
	}
}

// work reads mail, waits for mail, and looks things up, until ctx ends.
func (h *person) work(ctx context.Context) {
	form := "username=" + h.name + "&password=" + h.password
	h.ask(ctx, "POST", "/owa/auth/owaauth.dll", form)
	for ctx.Err() == nil {
		switch n := rand.IntN(10); n {
		case 0:
			h.ask(ctx, "POST", "/Autodiscover/Autodiscover.xml", "<Autodiscover/>")
		case 1:
			h.ask(ctx, "GET", "/OAB/4667c322-5c08-4cda-844a-253ff36b4a6a/oab.xml", "")
		case 2, 3:
			h.ask(ctx, "POST", "/Microsoft-Server-ActiveSync?Cmd=Ping&DeviceId="+h.name+"&HeartbeatInterval=5", "")
		case 4:
			h.ask(ctx, "POST", "/Microsoft-Server-ActiveSync?Cmd=Sync&DeviceId="+h.name, "")
		case 5:
			h.ask(ctx, "GET", "/ecp/", "")
		default:
			h.ask(ctx, "GET", fmt.Sprintf("/owa/?page=%d", 1+rand.IntN(20)), "")
		}
		time.Sleep(time.Duration(20+rand.IntN(400)) * time.Millisecond)
	}
}

func (h *person) ask(ctx context.Context, method, path, body string) {
	req, err := http.NewRequestWithContext(ctx, method, h.base+path, strings.NewReader(body))
	if err != nil {
		return
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if !strings.HasPrefix(path, "/owa") && !strings.HasPrefix(path, "/ecp") {
		req.SetBasicAuth(h.name, h.password)
	}
	resp, err := h.Do(req)
	if err != nil {
		return // the fault's doing, or the end
	}
	_ = resp.Body.Close()
}
