package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// mailVisit is one visit of a mail client: where it goes, how, and as whom.
type mailVisit struct {
	t      *testing.T
	port   string
	secure string // plain, starttls or tls
	ca     string // file of the certificate that it trusts, and no other
	user   string
	dir    string // of its own
	mail   string // a message that is in the mailbox, or is to be put there
	sink   *mailSink
}

// mailClient is a program that people read mail with.
type mailClient struct {
	name, protocol string
	secure         []string // ways in which it can
	visit          func(v *mailVisit)
}

var (
	anySecurity = []string{"plain", "starttls", "tls"}

	mailClients = []mailClient{
		{"curl", "imap", anySecurity, curlIMAP}, // the first: it leaves the message
		{"mbsync", "imap", anySecurity, mbsync},
		// With STARTTLS it hangs in one visit of thirty, at a Dovecot without casbah too.
		{"offlineimap", "imap", []string{"plain", "tls"}, offlineimap},
		{"imaplib", "imap", anySecurity, imaplib},
		{"curl", "pop3", anySecurity, curlPOP3},
		{"fetchmail", "pop3", anySecurity, fetchmail},
		{"getmail", "pop3", []string{"plain", "tls"}, getmail},
		{"poplib", "pop3", anySecurity, poplib},
		{"curl", "submission", anySecurity, curlSMTP},
		{"smtplib", "submission", anySecurity, smtplib},
	}
)

// word returns what stands for the visit's kind of security.
func (v *mailVisit) word(plain, starttls, tls string) string {
	return map[string]string{"plain": plain, "starttls": starttls, "tls": tls}[v.secure]
}

// file writes a file for the client and returns its path.
func (v *mailVisit) file(name, text string) string {
	v.t.Helper()
	path := filepath.Join(v.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		v.t.Fatal(err)
	}
	return path
}

// got checks that the client has the text of the message, octet by octet but for
// the ends of lines; some put headers of their own in front.
func (v *mailVisit) got(what, text string) {
	v.t.Helper()
	_, sent, _ := strings.Cut(strings.ReplaceAll(v.mail, "\r\n", "\n"), "\n\n")
	if !strings.Contains(strings.ReplaceAll(text, "\r\n", "\n"), "\n\n"+sent) {
		v.t.Errorf("%s got %d octets, which do not hold the text of %d", what, len(text), len(sent))
	}
}

// gotFile checks that a folder of the client holds the message.
func (v *mailVisit) gotFile(what string, folder ...string) {
	v.t.Helper()
	root := filepath.Join(append([]string{v.dir}, folder...)...)
	var texts strings.Builder
	err := filepath.WalkDir(root, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		texts.Write(text)
		return err
	})
	if err != nil {
		v.t.Error(err)
	}
	v.got(what, texts.String())
}

// curl runs it on a path of the mailbox.
func (v *mailVisit) curl(scheme, path string, more ...string) string {
	v.t.Helper()
	args := []string{"-sS", "--max-time", "25", "--cacert", v.ca, "-u", v.user + ":Secret1", fmt.Sprintf("%s://localhost:%s/%s", scheme+v.word("", "", "s"), v.port, path)}
	if v.secure == "starttls" {
		args = append(args, "--ssl-reqd")
	}
	return run(v.t, "", "curl", append(args, more...)...)
}

func curlIMAP(v *mailVisit) {
	v.curl("imap", "INBOX", "-T", v.file("message", v.mail))
	v.got("curl", v.curl("imap", "INBOX;MAILINDEX=1"))
}

func curlPOP3(v *mailVisit) { v.got("curl", v.curl("pop3", "1")) }

// curlSMTP sends the message; the servers pass it on to the sink.
func curlSMTP(v *mailVisit) {
	v.curl("smtp", "client.example.org", "--mail-from", "alice@example.org", "--mail-rcpt", "bob@example.org", "-T", v.file("message", v.mail))
	v.got("the sink", v.sink.all())
}

func mbsync(v *mailVisit) {
	run(v.t, "", "mbsync", "-c", v.file("mbsyncrc", fmt.Sprintf(`
IMAPStore far
Host localhost
Port %s
User %s
Pass Secret1
SSLType %s
CertificateFile %s
AuthMechs LOGIN

MaildirStore near
Path %s/
Inbox %[5]s/INBOX

Channel both
Far :far:
Near :near:
Create Near
SyncState *
`, v.port, v.user, v.word("None", "STARTTLS", "IMAPS"), v.ca, v.dir)), "both")
	v.gotFile("mbsync", "INBOX")
}

func offlineimap(v *mailVisit) {
	run(v.t, "", "offlineimap", "-o", "-1", "-c", v.file("offlineimaprc", fmt.Sprintf(`
[general]
accounts = a
metadata = %[1]s/state
ui = quiet
[Account a]
localrepository = near
remoterepository = far
[Repository near]
type = Maildir
localfolders = %[1]s/mail
[Repository far]
type = IMAP
remotehost = localhost
remoteport = %[2]s
remoteuser = %[3]s
remotepass = Secret1
auth_mechanisms = LOGIN
ssl = %[4]s
starttls = no
sslcacertfile = %[5]s
`, v.dir, v.port, v.user, v.word("no", "no", "yes"), v.ca)))
	v.gotFile("offlineimap", "mail")
}

// imaplibProgram waits in IDLE, in which it hears of what another connection of
// its puts into the mailbox.
const imaplibProgram = `
import imaplib, ssl, sys
port, how, ca, user = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
def connect():
    if how == "tls":
        c = imaplib.IMAP4_SSL("localhost", int(port), ssl_context=context, timeout=20)
    else:
        c = imaplib.IMAP4("localhost", int(port), timeout=20)
    if how == "starttls":
        c.starttls(context)
    c.login(user, "Secret1")
    c.select("INBOX")
    return c
waits, puts = connect(), connect()
waits.send(b"x IDLE\r\n")
assert waits.readline().startswith(b"+")
puts.append("INBOX", None, None, b"Subject: news\r\n\r\nnews\r\n")
puts.logout()
while b"EXISTS" not in waits.readline():
    pass
waits.send(b"DONE\r\n")
while not waits.readline().startswith(b"x OK"):
    pass
print(waits.fetch("1", "(RFC822)")[1][0][1].decode())
waits.logout()
`

func imaplib(v *mailVisit) {
	v.got("imaplib", run(v.t, imaplibProgram, "python3", "-", v.port, v.secure, v.ca, v.user))
}

const poplibProgram = `
import poplib, ssl, sys
port, how, ca, user = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
if how == "tls":
    c = poplib.POP3_SSL("localhost", int(port), context=context, timeout=20)
else:
    c = poplib.POP3("localhost", int(port), timeout=20)
if how == "starttls":
    c.stls(context)
c.user(user)
c.pass_("Secret1")
assert c.stat()[0] > 0
print(b"\n".join(c.retr(1)[1]).decode())
c.quit()
`

func poplib(v *mailVisit) {
	v.got("poplib", run(v.t, poplibProgram, "python3", "-", v.port, v.secure, v.ca, v.user))
}

// smtplibProgram sends two messages in one session: what is read on its input, and
// the same with lines that begin with dots.
const smtplibProgram = `
import smtplib, ssl, sys
port, how, ca, user, path = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
if how == "tls":
    c = smtplib.SMTP_SSL("localhost", int(port), context=context, timeout=20)
else:
    c = smtplib.SMTP("localhost", int(port), timeout=20)
if how == "starttls":
    c.starttls(context=context)
c.login(user, "Secret1")
text = open(path, newline="").read()
c.sendmail("alice@example.org", ["bob@example.org"], "Subject: dots\r\n\r\n.\r\n..\r\n.x\r\n")
c.sendmail("alice@example.org", ["bob@example.org"], text)
c.quit()
`

func smtplib(v *mailVisit) {
	head, text, _ := strings.Cut(v.mail, "\r\n\r\n")
	v.mail = head + "\r\n\r\nby smtplib\r\n" + text // not the one that is there already
	run(v.t, smtplibProgram, "python3", "-", v.port, v.secure, v.ca, v.user, v.file("message", v.mail))
	v.got("the sink", v.sink.all())
	if !strings.Contains(v.sink.all(), "\n\n.\n..\n.x\n") {
		v.t.Error("lines of dots did not come over")
	}
}

func fetchmail(v *mailVisit) {
	rc := v.file("fetchmailrc", fmt.Sprintf("poll localhost service %s protocol pop3 user %q password Secret1 %s keep fetchall mda \"cat >>'%s/got'\"\n",
		v.port, v.user, v.word("sslproto ''", fmt.Sprintf("sslproto 'TLS1.2+' sslcertck sslcertfile %q", v.ca), fmt.Sprintf("ssl sslcertck sslcertfile %q", v.ca)), v.dir))
	run(v.t, "", "fetchmail", "-f", rc, "--pidfile", filepath.Join(v.dir, "pid"), "-i", filepath.Join(v.dir, "ids"))
	v.gotFile("fetchmail", "got")
}

// getmail hangs amid a message of a megabyte now and then, at a Dovecot without
// casbah too, and gets a small one.
func getmail(v *mailVisit) {
	*v = v.small()
	v.file("getmailrc", fmt.Sprintf(`
[retriever]
type = SimplePOP3%sRetriever
server = localhost
port = %s
username = %s
password = Secret1
%s
[destination]
type = MDA_external
path = /bin/sh
arguments = ("-c", "cat >>'%s/got'")
allow_root_commands = true
[options]
read_all = true
`, v.word("", "", "SSL"), v.port, v.user, v.word("", "", "ca_certs = "+v.ca), v.dir))
	run(v.t, "", "getmail", "--getmaildir", v.dir, "--rcfile", "getmailrc")
	v.gotFile("getmail", "got")
}

// small returns a visit of another user, who has the begin of the message alone.
func (v *mailVisit) small() mailVisit {
	s := *v
	s.user, s.mail = strings.Replace(v.user, "@", "-small@", 1), v.mail[:1<<10]+"\r\n"
	return s
}

// visitAll has every client of a protocol visit that can in this way.
func visitAll(t *testing.T, v mailVisit, protocol, secure string) {
	t.Helper()
	for _, c := range mailClients {
		if c.protocol != protocol || !slices.Contains(c.secure, secure) {
			continue
		}
		t.Run(c.name+"/"+secure, func(t *testing.T) {
			visit := v
			visit.t, visit.secure, visit.dir = t, secure, t.TempDir()
			c.visit(&visit)
		})
	}
}
