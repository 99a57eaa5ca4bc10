package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// dovecot is a real server of IMAP4, POP3 and SMTP. It takes every user with the
// password Secret1, and gives each name before the @ a mailbox of its own.
type dovecot struct {
	t    *testing.T
	name string // that it greets with
	log  string // its file
	at   map[string]string
}

// dovecotPorts are what a dovecot listens for: a protocol, with TLS from the
// first octet or not, and behind a PROXY header or not. Without TLS it offers
// STARTTLS.
var dovecotPorts = []string{
	"imap", "imap+tls", "imap+proxy", "imap+tls+proxy",
	"pop3", "pop3+tls", "pop3+proxy", "pop3+tls+proxy",
	"submission", "submission+tls", "submission+proxy", "submission+tls+proxy",
}

// dovecotConf is the configuration of a dovecot. %[1]s is its directory, %[2]s
// its name, %[3]s and %[4]s certificate and key, %[5]s the user of the mailboxes,
// %[6]s where they are, %[7]s the listeners, %[8]s what else there is, %[9]s the port
// where mail goes to.
const dovecotConf = `
base_dir = %[1]s/run
state_dir = %[1]s/run
log_path = %[1]s/dovecot.log
instance_name = %[2]s
login_greeting = %[2]s ready
login_trusted_networks =
login_log_format_elements = user=<%%u> client=<%%r:%%{rport}> peer=<%%{real_rip}:%%{real_rport}> %%c
haproxy_trusted_networks = 127.0.0.0/8
protocols = imap pop3 submission
hostname = %[2]s.example.org
submission_relay_host = 127.0.0.1
submission_relay_port = %[9]s
listen = 127.0.0.1
ssl = yes
ssl_cert = <%[3]s
ssl_key = <%[4]s
disable_plaintext_auth = no
auth_mechanisms = plain login
mail_location = maildir:%[6]s/%%n
mail_max_userip_connections = 100
first_valid_uid = 1
passdb {
  driver = static
  args = password=Secret1
}
userdb {
  driver = static
  args = uid=%[5]s gid=%[5]s home=%[6]s/%%n
}
namespace inbox {
  inbox = yes
}
%[7]s
%[8]s
`

// startDovecot starts a dovecot whose mailboxes are in a directory that it may
// share with others, and that has out take the mail of its users. It ends with the
// test.
func startDovecot(t *testing.T, name, mailboxes, out string, id identity) *dovecot {
	t.Helper()
	program := peer(t, "dovecot")
	dir := openDir(t)
	d := &dovecot{t: t, name: name, log: filepath.Join(dir, "dovecot.log"), at: make(map[string]string)}
	owner, rest := mailboxOwner(t, mailboxes)
	var listeners strings.Builder
	for i, address := range freeAddresses(t, len(dovecotPorts)) {
		what := dovecotPorts[i]
		d.at[what] = address
		protocol, _, _ := strings.Cut(what, "+")
		fmt.Fprintf(&listeners, "service %s-login {\n  inet_listener %s {\n    port = %s\n    ssl = %s\n    haproxy = %s\n  }\n}\n", protocol,
			strings.ReplaceAll(what, "+", "_"), address[strings.LastIndexByte(address, ':')+1:], yes(what, "+tls"), yes(what, "+proxy"))
	}
	for _, unused := range []string{"imap", "pop3", "submission"} { // the names of the default ports, which others may have
		fmt.Fprintf(&listeners, "service %s-login {\n  inet_listener %ss {\n    port = 0\n  }\n}\n", unused, unused)
	}
	conf := filepath.Join(dir, "dovecot.conf")
	text := fmt.Sprintf(dovecotConf, dir, name, id.cert, id.key, owner, mailboxes, listeners.String(), rest, out[strings.LastIndexByte(out, ':')+1:])
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-F", "-c", conf)
	var said locked
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		<-ended
		if t.Failed() {
			t.Logf("%s said:\n%s\n%s", name, said.String(), d.logged())
		}
	})
	for deadline := time.Now().Add(patience); refuses(d.at["imap"]); time.Sleep(10 * time.Millisecond) {
		select {
		case <-ended:
			t.Fatalf("dovecot -c %s has ended", conf)
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("dovecot -c %s does not listen", conf)
		}
	}
	return d
}

func yes(what, part string) string {
	if strings.Contains(what, part) {
		return "yes"
	}
	return "no"
}

// openDir returns a directory that other users may enter, as a Dovecot of root
// gives up its rights.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "casbah-mail-") //nolint:usetesting // that of the test is closed to others
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// mailboxOwner gives mailboxes to who reads them: nobody, as Dovecot does not
// do it as root; or who runs the test, as whom then all of Dovecot runs.
func mailboxOwner(t *testing.T, mailboxes string) (id, conf string) {
	t.Helper()
	if os.Getuid() == 0 {
		nobody, err := user.Lookup("nobody")
		if err != nil {
			t.Fatal(err)
		}
		uid, err := strconv.Atoi(nobody.Uid)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(mailboxes, uid, -1); err != nil {
			t.Fatal(err)
		}
		return nobody.Uid, ""
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	group, err := user.LookupGroupId(me.Gid)
	if err != nil {
		t.Fatal(err)
	}
	conf = fmt.Sprintf("default_internal_user = %s\ndefault_internal_group = %s\ndefault_login_user = %[1]s\n", me.Username, group.Name)
	for _, service := range []string{"anvil", "imap-login", "pop3-login", "submission-login"} {
		conf += "service " + service + " {\n  chroot =\n}\n"
	}
	return me.Uid, conf
}

// logged returns what a dovecot has logged.
func (d *dovecot) logged() string {
	text, err := os.ReadFile(d.log)
	if err != nil {
		d.t.Error(err)
	}
	return string(text)
}

// login is what a dovecot logged of one: its client, as a PROXY header has it, and
// its peer, each with the port; and whether it was in TLS.
type login struct {
	server, user, client, peer string
	tls                        bool
}

var loginPattern = regexp.MustCompile(`Login: user=<(\S*)>, client=<(\S*)>, peer=<(\S*)>(, TLS)?`)

// logins returns the logins that a dovecot has logged.
func (d *dovecot) logins() []login {
	var list []login
	for _, m := range loginPattern.FindAllStringSubmatch(d.logged(), -1) {
		list = append(list, login{d.name, m[1], m[2], m[3], m[4] != ""})
	}
	return list
}

// run runs a program to its end and returns what it said. It must succeed within
// half a minute.
func run(t *testing.T, stdin string, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, peer(t, name), args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}
