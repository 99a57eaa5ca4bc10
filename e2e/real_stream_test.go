package e2e

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"casbah/lab"
	"casbah/protocols/rpchttp"
)

// events is how many of each stream are awaited. Each must be there before the test
// has the server send the next one, so no figure depends on the machine.
const events = 10

// streamRig returns a rig whose servers send an event when the test says so, and
// never by themselves.
func streamRig(t *testing.T, m mode) *rig {
	t.Helper()
	return newRig(t, setup{mode: m, lab: lab.Options{Interval: 2 * time.Hour}})
}

// base is the URL of the rig's VIP.
func (r *rig) base() string {
	if r.mode.vip == "tls" {
		return "https://" + r.tls
	}
	return "http://" + r.plain
}

// running is a real curl of which a test reads what it prints as it comes, and
// writes what it sends.
type running struct {
	t         *testing.T
	in        io.WriteCloser
	out       *bufio.Reader
	complaint *locked // what it writes to standard error
}

// startCurl starts a curl that knows nothing of the certificate, and buffers nothing.
func startCurl(t *testing.T, args ...string) *running {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	cmd := exec.CommandContext(ctx, "curl", append([]string{"--silent", "--show-error", "--no-buffer", "--insecure"}, args...)...)
	complaint := new(locked)
	cmd.Stderr = complaint
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait() // it was killed
		if t.Failed() {
			t.Logf("curl %v: %s", args, complaint.String())
		}
	})
	return &running{t, in, bufio.NewReader(out), complaint}
}

// prints waits until curl has printed up to the text given.
func (c *running) prints(text string) {
	c.t.Helper()
	readTo(c.t, c.out, text)
}

func (c *running) types(octets []byte) {
	c.t.Helper()
	if _, err := c.in.Write(octets); err != nil {
		c.t.Fatal(err)
	}
}

// mail delivers a message to alice.
func (r *rig) mail() {
	r.t.Helper()
	if err := r.array.DeliverMail("alice"); err != nil {
		r.t.Fatal(err)
	}
}

// curlModes runs f in each mode with the real curl.
func curlModes(t *testing.T, f func(t *testing.T, r *rig)) {
	t.Helper()
	real(t)
	peer(t, "curl")
	modes(t, func(t *testing.T, m mode) { f(t, streamRig(t, m)) })
}

const streamBody = "<soap:Body><m:GetStreamingEvents/></soap:Body>"

// Streaming notifications of EWS reach curl one by one, by NTLM, and so do those
// that only keep the connection alive.
func TestRealCurlStreamsEvents(t *testing.T) {
	t.Parallel()
	curlModes(t, func(t *testing.T, r *rig) {
		c := startCurl(t, "--ntlm", "--user", `LAB\alice:Secret1`, "--data", streamBody, r.base()+"/EWS/Exchange.asmx")
		c.prints("<m:ConnectionStatus>OK</m:ConnectionStatus>")
		for n := 1; n <= events; n += 2 {
			r.mail()
			c.prints(fmt.Sprintf(`<t:NewMailEvent sequence="%d"/>`, n))
			r.array.Beat()
			c.prints(fmt.Sprintf(`<t:StatusEvent sequence="%d"/>`, n+1))
		}
	})
}

// NotificationWait of MAPI over HTTP: PROCESSING at once, PENDING whenever the
// server says so, and DONE with the mail.
func TestRealCurlWaitsForNotification(t *testing.T) {
	t.Parallel()
	curlModes(t, func(t *testing.T, r *rig) {
		jar := t.TempDir() + "/jar"
		request := func(kind string) *running {
			return startCurl(t, "--user", "alice:Secret1", "--request", "POST", "--cookie", jar, "--cookie-jar", jar,
				"--header", "X-RequestType: "+kind, "--header", "Content-Type: application/mapi-http", "--data", "",
				r.base()+"/mapi/emsmdb/?MailboxId=alice@lab.test")
		}
		connect := request("Connect")
		connect.prints("PROCESSING\r\nDONE\r\n")
		_, _ = io.Copy(io.Discard, connect.out) // it ends, and has written the jar
		c := request("NotificationWait")
		c.prints("PROCESSING\r\n")
		for range events {
			r.array.Beat()
			c.prints("PENDING\r\n")
		}
		r.mail()
		c.prints("DONE\r\n")
	})
}

// A pending notification of Outlook Web App, of 2010 and of later.
func TestRealCurlPendingNotification(t *testing.T) {
	t.Parallel()
	curlModes(t, func(t *testing.T, r *rig) {
		jar := t.TempDir() + "/jar"
		logon := startCurl(t, "--cookie", jar, "--cookie-jar", jar, "--data", "username=alice", "--data", "password=Secret1",
			"--include", r.base()+"/owa/auth/owaauth.dll")
		logon.prints("302 Found\r\n")
		_, _ = io.Copy(io.Discard, logon.out)
		for i, path := range []string{"/owa/ev.owa?oeh=1&ns=PendingRequest&ev=PendingNotificationRequest", "/owa/ev.owa2?ns=PendingRequest"} {
			c := startCurl(t, "--cookie", jar, "--cookie-jar", jar, r.base()+path)
			c.prints("<script>stPend();</script>\r\n")
			for n := 1; n <= events; n++ {
				r.array.Beat()
				c.prints("<script>kpAlv();</script>\r\n")
				r.mail()
				c.prints(fmt.Sprintf("<script>newMail(%d);</script>\r\n", i*events+n))
			}
		}
	})
}

// A phone: OPTIONS, a Sync, and a Ping that answers when mail comes and not before,
// one behind the other on one connection.
func TestRealCurlPingAnswersWhenMailComes(t *testing.T) {
	t.Parallel()
	curlModes(t, func(t *testing.T, r *rig) {
		const path = "/Microsoft-Server-ActiveSync"
		var args []string
		for _, request := range [][]string{
			{"--request", "OPTIONS", r.base() + path},
			{"--data", "", r.base() + path + "?Cmd=Sync&User=alice&DeviceId=d1"},
			{"--data", "", r.base() + path + "?Cmd=Ping&User=alice&DeviceId=d1&HeartbeatInterval=3540"},
		} { // what stands in front of --next holds for that request alone
			args = append(args, "--no-buffer", "--insecure", "--user", "alice:Secret1", "--include", "--write-out", "%{stderr}%{num_connects} connects\n")
			args = append(append(args, request...), "--next")
		}
		c := startCurl(t, args[:len(args)-1]...)
		c.prints("MS-ASProtocolVersions: ")
		c.prints("X-Lab-New: 0\r\n")
		r.until("the Ping is open", func() bool { return r.vipStatus(r.mode.vip).Requests >= 2 && r.active("eas") == 1 })
		r.mail()
		c.prints("HTTP/1.1 200 OK\r\n")
		_, _ = io.Copy(io.Discard, c.out) // it ends
		r.until("curl tells of its connections", func() bool { return strings.Count(c.complaint.String(), " connects\n") == 3 })
		if got := c.complaint.String(); got != "1 connects\n0 connects\n0 connects\n" {
			t.Errorf("%q; want one connection for all three", got)
		}
	})
}

// active is how many requests of a profile are open.
func (r *rig) active(profile string) (n int) {
	for _, p := range r.node.Status().Pools {
		for _, s := range p.Servers {
			for _, v := range s.Services {
				if v.Profile == profile {
					n += int(v.Active)
				}
			}
		}
	}
	return n
}

// The real curl sends a channel of a declared gigabyte as its octets come, once it
// was told to go on, and reads the other one likewise.
func TestRealCurlOpensChannels(t *testing.T) {
	t.Parallel()
	real(t)
	peer(t, "curl")
	ping := rpchttp.AppendPing(nil)
	modes(t, func(t *testing.T, m mode) {
		r, s := newStubRig(t, m, "outlook_anywhere")
		url := r.base() + "/rpc/rpcproxy.dll?mbx.lab.test:6001"
		virtual := newCookie()
		in := startCurl(t, "--request", "RPC_IN_DATA", "--upload-file", "-", "--header", fmt.Sprintf("Content-Length: %d", 1<<30),
			"--header", "Transfer-Encoding:", "--header", "Expect: 100-continue", "--expect100-timeout", "60", url)
		inServer := s.accept()
		inServer.want("RPC_IN_DATA /rpc/rpcproxy.dll?mbx.lab.test:6001 HTTP/1.1\r\n")
		if head := inServer.head(); !strings.Contains(head, "Content-Length: 1073741824\r\n") || !strings.Contains(head, "Expect: 100-continue\r\n") ||
			strings.Contains(head, "chunked") {
			t.Fatalf("IN: head %q; want a length of 1 GiB, and an expectation", head)
		}
		b1 := rpchttp.AppendConnB1(nil, virtual, newCookie(), newCookie())
		in.types(b1)
		inServer.quiet("curl was not told to go on")
		inServer.say("HTTP/1.1 100 Continue\r\n\r\n")
		inServer.want(string(b1))
		out := startCurl(t, "--request", "RPC_OUT_DATA", "--data-binary", "@-", "--include", url)
		out.types(rpchttp.AppendConnA1(nil, virtual, newCookie()))
		_ = out.in.Close()
		outServer := s.accept()
		outServer.head()
		outServer.hear(76)
		outServer.say("HTTP/1.1 200 Success\r\nContent-Length: 1073741824\r\n\r\n" + string(ping)) // curl flushes a head with the body
		out.prints("HTTP/1.1 200 Success\r\n")
		out.prints("\r\n\r\n" + string(ping))
		for range events {
			in.types(ping)
			inServer.want(string(ping))
			outServer.say(string(ping))
			out.prints(string(ping))
		}
	})
}

// beginStream is JavaScript that asks for a stream and keeps what has come of it in
// seen. EWS takes NTLM alone here, which a browser does by itself when a request
// names the user.
const beginStream = `var seen = '';
var asks = new XMLHttpRequest();
asks.open(%q, %q, true, %q, %q);
for (const [name, value] of Object.entries(%s)) asks.setRequestHeader(name, value);
(mine => { // streams of before go on, and say nothing here
	mine.onprogress = () => { if (mine === asks) seen = mine.responseText; };
	mine.onloadend = () => { if (mine === asks) seen = mine.responseText + ' END ' + mine.status; };
	mine.send(%q);
})(asks);
true`

// begins asks for a stream in the page, as alice. Fields are a JavaScript object.
func (b *browser) begins(method, path, fields, body string) {
	b.t.Helper()
	is[bool](b, fmt.Sprintf(beginStream, method, path, "alice", "Secret1", fields, body))
}

// hears waits until the stream has brought a text.
func (b *browser) hears(text string) {
	b.t.Helper()
	b.sees(text, fmt.Sprintf("seen.includes(%q)", text))
}

// A real browser hears of each event before the next one happens: of EWS by NTLM, of
// MAPI over HTTP, of Outlook Web App, and of an ActiveSync Ping.
func TestRealBrowserStreams(t *testing.T) {
	t.Parallel()
	real(t)
	peer(t, "chromium")
	modesInTurn(t, func(t *testing.T, m mode) {
		r, b := streamRig(t, m), newBrowser(t)
		b.run(chromedp.Navigate(r.base() + "/owa/"))
		b.logon("alice", "Secret1")

		b.begins("GET", "/owa/ev.owa2?ns=PendingRequest", "{}", "")
		b.hears("stPend();")
		for n := 1; n <= events; n++ {
			r.mail()
			b.hears(fmt.Sprintf("newMail(%d);", n))
		}

		b.begins("POST", "/EWS/Exchange.asmx", "{'Content-Type': 'text/xml'}", streamBody)
		b.hears("<m:ConnectionStatus>OK</m:ConnectionStatus>")
		for n := 1; n <= events; n++ {
			r.mail()
			b.hears(fmt.Sprintf(`sequence="%d"`, n))
		}

		b.begins("POST", "/mapi/emsmdb/", "{'X-RequestType': 'Connect'}", "")
		b.hears(" END 200")
		b.begins("POST", "/mapi/emsmdb/", "{'X-RequestType': 'NotificationWait'}", "")
		b.hears("PROCESSING\r\n")
		for n := 1; n <= events; n++ {
			r.array.Beat()
			b.hears(strings.Repeat("PENDING\r\n", n))
		}
		r.mail()
		b.hears("DONE\r\n")

		const phone = "/Microsoft-Server-ActiveSync?User=alice&DeviceId=browser&Cmd="
		b.begins("POST", phone+"Sync", "{}", "")
		b.hears(" END 200")
		b.begins("POST", phone+"Ping", "{}", "")
		r.until("the Ping is open", func() bool { return r.active("eas") == 1 })
		if is[string](b, "seen") != "" {
			t.Error("Ping was answered without mail")
		}
		r.mail()
		b.hears(" END 200")
	})
}
