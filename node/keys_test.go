package node

import (
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// ticketNode is a node of which only the ticket keys work.
func ticketNode(t *testing.T, dir string) *rig {
	t.Helper()
	writePair(t, dir, time.Now().Add(-time.Hour), time.Now().Add(365*24*time.Hour))
	text := strings.Replace(fmt.Sprintf(poolText+vipText, silentServer(t), silentServer(t), "", "mail"), `"http"`, `"https"`, 1)
	return newRig(t, dir, text+"certificate = [{ cert = \"cert.pem\", key = \"key.pem\" }]\n"+unprobed)
}

// resumes reports whether a connection to the VIP resumes a session of cache.
func resumes(t *testing.T, r *rig, cache tls.ClientSessionCache) bool {
	t.Helper()
	conn, err := tls.Dial("tcp", r.Addrs("mail")[0].String(), &tls.Config{InsecureSkipVerify: true, ServerName: "localhost", ClientSessionCache: cache})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("GET /elsewhere HTTP/1.1\r\nHost: h\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); err != nil { // and the ticket before it
		t.Fatal(err)
	}
	return conn.ConnectionState().DidResume
}

// toldOfTickets returns the events about session tickets.
func (r *rig) toldOfTickets() string {
	var all []string
	for _, e := range r.Status().Events {
		if e.Kind == "tls" {
			all = append(all, e.Text)
		}
	}
	return strings.Join(all, "\n")
}

// TLS sessions outlive a restart; a file that is damaged ends them, is kept, and is
// told of.
func TestTicketKeysOutliveARestart(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, ticketFileName)
	cache := tls.NewLRUClientSessionCache(4)
	r := ticketNode(t, dir)
	if resumes(t, r, cache) {
		t.Fatal("the first session is an old one")
	}
	r.stop()
	info, err := os.Stat(file)
	if err != nil || info.Mode() != 0o600 {
		t.Fatalf("the file of the keys: %v, %v; want one that only its owner reads", info, err)
	}
	r = ticketNode(t, dir)
	if !resumes(t, r, cache) {
		t.Error("the session has ended with the restart")
	}
	r.stop()
	if told := r.toldOfTickets(); told != "" {
		t.Errorf("events %q; want none", told)
	}

	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, text[:len(text)-5], 0o600); err != nil {
		t.Fatal(err)
	}
	r = ticketNode(t, dir)
	if resumes(t, r, cache) {
		t.Error("the session goes on, although the key was lost")
	}
	if told := r.toldOfTickets(); !strings.Contains(told, "clients begin new TLS sessions") || !strings.Contains(told, file+".damaged") {
		t.Errorf("events %q; want one about the damaged file", told)
	}
	if aside, err := os.ReadFile(file + ".damaged"); err != nil || string(aside) != string(text[:len(text)-5]) {
		t.Errorf("the damaged file is not kept: %v", err)
	}
	if strings.Contains(r.toldOfTickets()+r.log.String(), string(text[len(text)-20:len(text)-6])) {
		t.Error("a key is told")
	}
	r.stop()
	if !resumes(t, ticketNode(t, dir), cache) {
		t.Error("the new keys were not kept")
	}
}

// Keys turn in time, and those in the file with them; what cannot be saved is
// tried again.
func TestTicketKeysTurn(t *testing.T) {
	dir := t.TempDir()
	r := ticketNode(t, dir)
	file := filepath.Join(dir, ticketFileName)
	keys := func() int {
		t.Helper()
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(text), "\n") - 1
	}
	now := time.Now()
	r.turnTickets(now)
	if n := keys(); n != 1 {
		t.Errorf("%d keys at first; want 1", n)
	}
	now = now.Add(9 * time.Hour)
	blocked := filepath.Join(dir, ticketFileName+".tmp") // where the new file is written first
	if err := os.Mkdir(blocked, 0o700); err != nil {
		t.Fatal(err)
	}
	r.turnTickets(now)
	if n := keys(); n != 1 || !strings.Contains(r.toldOfTickets(), "cannot be saved") {
		t.Errorf("%d keys in the file, events %q; want the old one, and a warning", n, r.toldOfTickets())
	}
	for i := range 10 { // while it lasts, events are for what else happens
		r.turnTickets(now.Add(time.Duration(i) * shareEvery))
	}
	if events, lines := strings.Count(r.toldOfTickets(), "cannot be saved"), strings.Count(r.log.String(), "cannot be saved"); events != 1 || lines != 11 {
		t.Errorf("%d events and %d lines of the log that it cannot be saved; want 1 and 11", events, lines)
	}
	if err := os.Remove(blocked); err != nil {
		t.Fatal(err)
	}
	r.turnTickets(now.Add(time.Minute))
	if n := keys(); n != 2 {
		t.Errorf("%d keys; want 2", n)
	}
}
