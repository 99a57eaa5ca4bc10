package lab

import (
	"fmt"
	"net/http"
	"testing"
)

// Answers name the CAS that took the request and the one that holds the mailbox, which
// is the visitor's own or that of X-AnchorMailbox, and moves when it is moved.
func TestAnswersTellWhereMailboxesAre(t *testing.T) {
	a := newArray(t, Options{Mailboxes: true})
	ask := func(anchor string) http.Header {
		t.Helper()
		fields := []string{"Authorization", basicAuth(`LAB\alice`, "Secret1"), "X-RequestType", "PING"}
		if anchor != "" {
			fields = append(fields, "X-AnchorMailbox", anchor)
		}
		return newBrowser(t).send("POST", "http://"+a.CAS(0).Addr()+"/mapi/emsmdb/", "", fields...).Header
	}
	for i := range 3 {
		a.MoveMailbox("alice@lab.test", i)
		a.MoveMailbox("bob", (i+1)%3)
		for anchor, home := range map[string]int{"": i, "bob@lab.test": (i + 1) % 3, "SMTP:Bob@lab.test": (i + 1) % 3, "nobody@lab.test": i} {
			h := ask(anchor)
			want := fmt.Sprintf("CAS1 CAS%d cas%d.lab.test", home+1, home+1)
			if got := h.Get("X-FEServer") + " " + h.Get("X-BEServer") + " " + h.Get("X-CalculatedBETarget"); got != want {
				t.Errorf("anchor %q: %s; want %s", anchor, got, want)
			}
		}
	}
	if n := a.CAS(0).Counts().Crossed; n != 8 {
		t.Errorf("%d requests crossed; want 8 of 12", n)
	}
	if a.Home("carol") != a.Home(`LAB\Carol`) {
		t.Error("a mailbox has two homes")
	}
}

// An array as before Exchange 2013 says nothing of that.
func TestAnswersTellNothingWithoutMailboxes(t *testing.T) {
	a := newArray(t, Options{Servers: 1})
	if h := newBrowser(t).send("POST", "http://"+a.CAS(0).Addr()+"/mapi/emsmdb/", "", "Authorization", basicAuth(`LAB\alice`, "Secret1")).Header; h.Get("X-FEServer") != "" || h.Get("X-BEServer") != "" {
		t.Errorf("header %v", h)
	}
}
