package e2e

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// TestRealPagePicture writes pictures of the page, of a lab under traffic with one
// fault and one drain, to the directory that CASBAH_PICTURES names:
//
//	CASBAH_REAL=1 CASBAH_PICTURES=$PWD/docs/images go test -run RealPagePicture ./e2e
func TestRealPagePicture(t *testing.T) {
	dir := os.Getenv("CASBAH_PICTURES")
	if dir == "" {
		t.Skip("writes docs/images where CASBAH_PICTURES names it")
	}
	p, b := browserLab(t)
	ctx, leave := context.WithCancel(t.Context())
	var crowd sync.WaitGroup
	for i := range 40 {
		crowd.Go(func() { newPerson(t, p, i).work(ctx) })
	}
	b.run(colours("light"), chromedp.EmulateViewport(1400, 1180), chromedp.Navigate(p.admin+"/"), chromedp.WaitVisible("table.matrix"))
	time.Sleep(90 * time.Second) // the curve of the last minutes is part of the picture
	p.order("cas2/eas/503")
	p.curl("-fsS", "-H", "Authorization: Bearer "+p.token(), "-d", `{"server": "cas3", "for": "30m", "who": "ann", "why": "updates"}`, p.admin+"/api/v1/drain")
	b.sees("the fault", `document.body.innerText.includes("got 503")`)
	time.Sleep(12 * time.Second) // and the rate without the moment of the fault
	b.picture(filepath.Join(dir, "page.png"))
	b.run(colours("dark"), chromedp.EmulateViewport(390, 844))
	time.Sleep(3 * time.Second) // the page settles
	b.picture(filepath.Join(dir, "page-phone.png"))
	b.run(colours("light"), chromedp.EmulateViewport(900, 720))
	b.opens("/order?server=cas1")
	b.picture(filepath.Join(dir, "page-order.png"))
	leave()
	crowd.Wait()
}

// picture writes what the window shows to a file, in no more colours than a page
// has: a picture is for looking, and stands in the repository.
func (b *browser) picture(path string) {
	b.t.Helper()
	full, err := png.Decode(bytes.NewReader(value(b, chromedp.CaptureScreenshot())))
	if err != nil {
		b.t.Fatal(err)
	}
	few := image.NewPaletted(full.Bounds(), paletteOf(full))
	draw.Draw(few, few.Bounds(), full, full.Bounds().Min, draw.Src)
	var out bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, few); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// paletteOf returns the commonest colours of a picture.
func paletteOf(m image.Image) color.Palette {
	count := make(map[color.RGBA]int)
	for y := m.Bounds().Min.Y; y < m.Bounds().Max.Y; y++ {
		for x := m.Bounds().Min.X; x < m.Bounds().Max.X; x++ {
			count[color.RGBAModel.Convert(m.At(x, y)).(color.RGBA)]++
		}
	}
	all := slices.SortedFunc(maps.Keys(count), func(a, b color.RGBA) int { return count[b] - count[a] })
	p := make(color.Palette, 0, 256)
	for _, c := range all[:min(len(all), 256)] {
		p = append(p, c)
	}
	return p
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
