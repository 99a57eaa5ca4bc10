package page_test

import (
	"strings"
	"testing"
	"time"
)

// The table's facts say when it will be full and when it was saved, where there
// is anything to say, and those of a VIP whose bindings had no room.
func TestTableFacts(t *testing.T) {
	v := sample()
	got := render(t, v)
	for _, name := range []string{"Full in", "Saved", "Bindings that made room", "Bindings without room"} {
		if strings.Contains(got, "<dt>"+name+"</dt>") {
			t.Errorf("the page has %q, of which there is nothing to say", name)
		}
	}
	v.Table.FullIn, v.Table.Saved = 90*time.Minute, v.Now.Add(-2*time.Minute)
	v.VIPs[0].Evictions, v.VIPs[0].Refusals = 1234, 56
	got = render(t, v)
	for _, want := range []string{
		"<dt>Full in</dt><dd>1 h 30 min</dd>", "<dt>Saved</dt><dd>2 min ago</dd>",
		"<dt>Bindings that made room</dt><dd>1,234</dd>", "<dt>Bindings without room</dt><dd>56</dd>",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
}
