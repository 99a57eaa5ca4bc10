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

// sharingNode is a node that shares its ticket keys.
func sharingNode(t *testing.T, file string, rotates bool) *rig {
	t.Helper()
	dir := t.TempDir()
	writePair(t, dir, time.Now().Add(-time.Hour), time.Now().Add(365*24*time.Hour))
	text := strings.Replace(fmt.Sprintf(poolText+vipText, silentServer(t), silentServer(t), "", "mail"), `"http"`, `"https"`, 1)
	return newRig(t, dir, fmt.Sprintf("tickets = { key_file = %q, rotate = %v }\n", file, rotates)+text+"certificate = [{ cert = \"cert.pem\", key = \"key.pem\" }]\n"+unprobed)
}

// A session that begins on one node resumes on another that reads its file, before
// and after the key is turned. A file that is broken changes nothing.
func TestNodesShareTicketKeys(t *testing.T) {
	file := filepath.Join(t.TempDir(), "shared.keys")
	late := sharingNode(t, file, false) // which starts before there is a file
	if told := late.toldOfTickets(); !strings.Contains(told, "are this node's own") {
		t.Errorf("events %q; want one that the file lacks", told)
	}
	first := sharingNode(t, file, true)
	second := sharingNode(t, file, false)
	if info, err := os.Stat(file); err != nil || info.Mode() != 0o600 {
		t.Fatalf("the file: %v, %v; want one that its owner alone reads", info, err)
	}
	now := time.Now()
	late.turnTickets(now)
	if told := late.toldOfTickets(); !strings.Contains(told, "are those of "+file) {
		t.Errorf("events %q; want one that the file is there", told)
	}
	cache := tls.NewLRUClientSessionCache(4)
	if resumes(t, first, cache) {
		t.Fatal("the first session is an old one")
	}
	visit := func(when string) {
		t.Helper()
		for i, r := range []*rig{second, late, first} {
			if !resumes(t, r, cache) {
				t.Errorf("%s, node %d: the session has ended", when, i)
			}
		}
	}
	visit("at first")
	all := func(now time.Time, rigs ...*rig) {
		for _, r := range rigs {
			r.turnTickets(now)
		}
	}
	before, _ := os.ReadFile(file)
	all(now.Add(7*time.Hour+time.Minute), first, second)
	if after, _ := os.ReadFile(file); string(after) == string(before) || strings.Count(string(after), "\n") != 3 {
		t.Errorf("the file holds\n%d lines; want a second key", strings.Count(string(after), "\n"))
	}
	visit("with a key to come, of which one has not heard")
	all(now.Add(7*time.Hour+30*time.Minute), late)
	all(now.Add(8*time.Hour+2*time.Minute), first)
	visit("with the new key at one")
	all(now.Add(8*time.Hour+3*time.Minute), second, late)
	visit("with the new key at all")
	if err := os.WriteFile(file, before[:len(before)-9], 0o600); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		all(now.Add(8*time.Hour+4*time.Minute), second)
	}
	if told := second.toldOfTickets(); strings.Count(told, "cannot be read, what was in force stays") != 1 {
		t.Errorf("events %q; want one about the broken file", told)
	}
	visit("with a broken file")
	all(now.Add(30*time.Hour), second, second)
	if told := second.toldOfTickets(); strings.Count(told, "nobody turns it") != 1 {
		t.Errorf("events %q; want one that the key is old", told)
	}
	if key := string(before[len(before)-30 : len(before)-10]); strings.Contains(second.log.String()+late.log.String()+first.log.String(), key) {
		t.Error("a key is told")
	}
}

// Where all nodes write to one file, who comes first makes the key.
func TestNodesTurnTicketKeysInTurn(t *testing.T) {
	file := filepath.Join(t.TempDir(), "shared.keys")
	nodes := []*rig{sharingNode(t, file, true), sharingNode(t, file, true)}
	now := time.Now()
	for i := range 40 {
		at := now.Add(time.Duration(i) * time.Hour)
		for _, r := range []*rig{nodes[i%2], nodes[1-i%2], nodes[i%2]} {
			r.turnTickets(at)
		}
		one, _ := nodes[0].tickets.MarshalText()
		two, _ := nodes[1].tickets.MarshalText()
		if string(one) != string(two) {
			t.Fatalf("after %d hours the nodes have different keys", i)
		}
	}
}
