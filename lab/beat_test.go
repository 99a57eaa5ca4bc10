package lab

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// A beat brings each wait what an interval would, at once, and of beats that come
// together none is lost.
func TestBeat(t *testing.T) {
	a := newArray(t, Options{Servers: 1, Interval: time.Hour})
	lines := windows(t).stream(http.MethodPost, address(a.CAS(0), ewsPath), "<Body><GetStreamingEvents/></Body>",
		"Authorization", basicAuth("alice", "Secret1"))
	if first := <-lines; !strings.Contains(first, "<m:ConnectionStatus>OK<") {
		t.Fatalf("line %q", first)
	}
	for n := 1; n <= 20; n++ {
		if n%2 == 1 {
			a.Beat()
			a.Beat()
		}
		if got, want := <-lines, fmt.Sprintf(`StatusEvent sequence="%d"`, n); !strings.Contains(got, want) {
			t.Fatalf("line %q; want %q in it", got, want)
		}
	}
}

// Two users' channels make no connection: the second is counted.
func TestForeignChannelIsCounted(t *testing.T) {
	var cs circuits
	cookie := newCookie()
	for i, tt := range []struct {
		user    string
		foreign bool
	}{{"alice", false}, {"alice", false}, {"bob", true}} {
		if _, foreign := cs.attach(cookie, side(i%2 == 0), tt.user); foreign != tt.foreign {
			t.Errorf("channel %d, of %s: foreign %v", i, tt.user, foreign)
		}
	}
}
