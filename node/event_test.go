package node

import (
	"strconv"
	"testing"
	"time"
)

func TestEventsAreBounded(t *testing.T) {
	var e events
	begin := time.Now()
	for i := range maxEvents + 5 {
		e.add(begin.Add(time.Duration(i)), "test", strconv.Itoa(i))
	}
	got := e.newest()
	if len(got) != maxEvents || got[0].Text != strconv.Itoa(maxEvents+4) || got[maxEvents-1].Text != "5" {
		t.Errorf("newest() = %d events from %s to %s; want %d, the newest first", len(got), got[0].Text, got[len(got)-1].Text, maxEvents)
	}
	got[0].Text = "changed"
	if e.newest()[0].Text == "changed" {
		t.Error("newest() hands out what it keeps")
	}
}
