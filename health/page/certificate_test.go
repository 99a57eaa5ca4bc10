package page_test

import (
	"strings"
	"testing"
	"time"

	"casbah/health/page"
)

// The page says which certificates end soon or have ended, and which files are
// refused, worst first, and shows all of them with their VIP.
func TestPageTellsOfCertificates(t *testing.T) {
	for _, tt := range []struct {
		name, level string
		left        time.Duration
		refused     string
		want        string
	}{
		{"good", "good", 90 * 24 * time.Hour, "", ""},
		{"notice", "notice", 20 * 24 * time.Hour, "", "The certificate of VIP mail for mail.example.org, a.example.org, b.example.org and 1 more expires in 20 d."},
		{"warning", "warning", 10 * 24 * time.Hour, "", "expires in 10 d."},
		{"critical", "critical", 30 * time.Hour, "", "expires in 1 d 6 h."},
		{"expired", "expired", -48 * time.Hour, "", "expired 2 d ago: clients refuse it."},
		{"refused", "good", 90 * 24 * time.Hour, "key: want the private key of mail.pem", "What stands in mail.pem now is refused; VIP mail goes on with what it had. <q>key: want the private key of mail.pem"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := sample()
			c := page.Certificate{
				File: "mail.pem", Names: []string{"mail.example.org", "a.example.org", "b.example.org", "c.example.org"},
				Until: noon.Add(tt.left), Algorithm: "ECDSA 256", Level: tt.level, Refused: tt.refused,
			}
			v.VIPs[0].Certificates = []page.Certificate{c}
			html := render(t, v)
			found := strings.Count(html, "The certificate of VIP") + strings.Count(html, "What stands in")
			if tt.want == "" && found > 0 || tt.want != "" && (found != 1 || !strings.Contains(html, tt.want)) {
				t.Errorf("the page has %d findings about certificates; want %q", found, tt.want)
			}
			if want := "<small>mail.pem</small></span><span>mail.example.org, a.example.org, b.example.org and 1 more, ECDSA 256, to " + c.Until.Format(time.DateOnly); !strings.Contains(html, want) {
				t.Errorf("the page does not say %q", want)
			}
		})
	}
}
