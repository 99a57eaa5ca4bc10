package lab

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"
	"time"
)

func pingQuery(heartbeat string) string {
	return "/Microsoft-Server-ActiveSync?Cmd=Ping&User=alice&DeviceId=d1&DeviceType=test" + heartbeat
}

// pingStatusOf returns the status in the answer to a Ping.
func pingStatusOf(a answer) string { return wbxmlText([]byte(a.body), pagePing, pingStatus) }

func TestOptions(t *testing.T) {
	a := newArray(t, Options{Servers: 1})
	b, s := newBrowser(t), a.CAS(0)
	got := b.send("OPTIONS", address(s, "/Microsoft-Server-ActiveSync"), "")
	if got.StatusCode != 401 || !strings.HasPrefix(got.Header.Get("WWW-Authenticate"), "Basic realm=") {
		t.Errorf("without credentials = %d %q", got.StatusCode, got.Header.Get("WWW-Authenticate"))
	}
	w := dial(t, s)
	w.write("OPTIONS /MICROSOFT-Server-ActiveSync HTTP/1.1\r\nHost: h\r\nAuthorization: " + basicAuth("alice", "Secret1") + "\r\n\r\n")
	status, fields := w.head()
	if status != "HTTP/1.1 200 OK" {
		t.Errorf("status line %q", status)
	}
	// The spelling counts: old clients compare it with case.
	if !slices.Contains(fields, "MS-ASProtocolVersions: 2.0,2.1,2.5,12.0,12.1,14.0,14.1") {
		t.Errorf("no MS-ASProtocolVersions in %q", fields)
	}
}

func TestPingWakesOnMail(t *testing.T) {
	a := newArray(t, Options{Servers: 2})
	b, s := newBrowser(t), a.CAS(1)
	alice := []string{"Authorization", basicAuth("alice", "Secret1")}
	// The first contact of the device: what is in the mailbox is not news.
	if err := a.DeliverMail("alice"); err != nil {
		t.Fatal(err)
	}
	if got := b.send("POST", address(s, pingQuery("&HeartbeatInterval=1ms")), "", alice...); pingStatusOf(got) != "1" {
		t.Fatalf("first Ping = %d %x; want status 1", got.StatusCode, got.body)
	}
	done := make(chan answer)
	go func() { done <- b.send("POST", address(s, pingQuery("&HeartbeatInterval=60")), "", alice...) }()
	until(t, "the Ping has come", func() bool { return s.Counts().Requests["eas"] == 2 })
	select {
	case got := <-done:
		t.Fatalf("Ping = %q before there was mail", pingStatusOf(got))
	case <-time.After(30 * time.Millisecond):
	}
	if err := a.DeliverMail(`LAB\Alice`); err != nil {
		t.Fatal(err)
	}
	if got := <-done; pingStatusOf(got) != "2" || got.Header.Get("X-Lab-User") != "alice" {
		t.Errorf("Ping = status %q for %q; want 2 for alice", pingStatusOf(got), got.Header.Get("X-Lab-User"))
	}
	sync := b.send("POST", address(s, strings.Replace(pingQuery(""), "Ping", "Sync", 1)), "", alice...)
	if got := sync.Header.Get("X-Lab-New"); got != "1" {
		t.Errorf("Sync fetched %s messages; want 1", got)
	}
	if err := a.DeliverMail("nobody"); err == nil {
		t.Error("mail to nobody was delivered")
	}
}

func TestHeartbeatFromBody(t *testing.T) {
	doc := newWBXML(pagePing)
	doc.open(pingPing)
	doc.element(pingHeartbeat, "900")
	doc.close()
	tests := []struct {
		name, query, body string
		want              time.Duration
	}{
		{"body", "", doc.String(), 15 * time.Minute},
		{"body-wins", "HeartbeatInterval=60", doc.String(), 15 * time.Minute},
		{"query", "HeartbeatInterval=60", "", time.Minute},
		{"short", "HeartbeatInterval=20ms", "", 20 * time.Millisecond},
		{"too-long", "HeartbeatInterval=3541", "", defaultHeartbeat},
		{"none", "", "", defaultHeartbeat},
		{"truncated", "", doc.String()[:9], defaultHeartbeat},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := heartbeat(mustQuery(t, tt.query), tt.body); got != tt.want {
				t.Errorf("heartbeat() = %v; want %v", got, tt.want)
			}
		})
	}
}

func TestEASQuery(t *testing.T) {
	packed := append([]byte{141, 18, 9, 4, 3}, "dev"...)
	tests := []struct{ name, raw, command, device string }{
		{"plain", "Cmd=Ping&User=alice&DeviceId=d1", "Ping", "d1"},
		{"base64", base64.StdEncoding.EncodeToString(packed), "Ping", "646576"},
		{"unknown-code", base64.StdEncoding.EncodeToString([]byte{141, 99, 9, 4, 0}), "", ""},
		{"cut", base64.StdEncoding.EncodeToString(packed[:6]), "", ""},
		{"none", "", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if command, device := easQuery(tt.raw); command != tt.command || device != tt.device {
				t.Errorf("easQuery(%q) = %q, %q; want %q, %q", tt.raw, command, device, tt.command, tt.device)
			}
		})
	}
}

func FuzzWBXMLText(f *testing.F) {
	doc := newWBXML(pagePing)
	doc.open(pingPing)
	doc.element(pingHeartbeat, "900")
	f.Add([]byte(doc.String()))
	f.Add([]byte("\x03\x01\x6a\x00\xc3\x7f"))
	f.Add([]byte("\x03\x01\x6a\x00\x00"))
	f.Fuzz(func(t *testing.T, p []byte) {
		if got := wbxmlText(p, pagePing, pingHeartbeat); len(got) > len(p) {
			t.Errorf("read %d octets of %d", len(got), len(p))
		}
	})
}
