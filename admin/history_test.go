package admin

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"casbah/health/page"
	"casbah/node"
)

// at is a status at a time after noon, with the requests, and as many times ten
// octets in and a hundred out, of each VIP.
func at(after time.Duration, requests map[string]uint64) *node.Status {
	st := &node.Status{Now: noon.Add(after)}
	for name, n := range requests {
		st.VIPs = append(st.VIPs, node.VIPStatus{Name: name, Requests: n, In: 10 * n, Out: 100 * n})
	}
	return st
}

func TestTraffic(t *testing.T) {
	type vips = map[string]uint64
	tests := []struct {
		name  string
		past  []*node.Status
		vip   page.Traffic // of VIP a
		total page.Traffic
	}{
		{"nothing", nil, page.Traffic{}, page.Traffic{}},
		{"one-sample", []*node.Status{at(0, vips{"a": 5})}, page.Traffic{}, page.Traffic{}},
		{
			"two-vips",
			[]*node.Status{at(0, vips{"a": 5, "b": 0}), at(2*time.Second, vips{"a": 25, "b": 4})},
			page.Traffic{Requests: 10, In: 100, Out: 1000, History: []float64{10}},
			page.Traffic{Requests: 12, In: 120, Out: 1200, History: []float64{12}},
		},
		{
			"new-vip",
			[]*node.Status{at(0, nil), at(2*time.Second, vips{"a": 8})},
			page.Traffic{Requests: 4, In: 40, Out: 400, History: []float64{4}},
			page.Traffic{Requests: 4, In: 40, Out: 400, History: []float64{4}},
		},
		{
			"counter-began-anew",
			[]*node.Status{at(0, vips{"a": 50}), at(2*time.Second, vips{"a": 2})},
			page.Traffic{History: []float64{0}},
			page.Traffic{History: []float64{0}},
		},
		{
			"mean-of-ten-seconds",
			[]*node.Status{at(0, vips{"a": 0}), at(6*time.Second, vips{"a": 600}), at(10*time.Second, vips{"a": 620}), at(16*time.Second, vips{"a": 700})},
			page.Traffic{Requests: 10, In: 100, Out: 1000, History: []float64{100, 5, 80.0 / 6}},
			page.Traffic{Requests: 10, In: 100, Out: 1000, History: []float64{100, 5, 80.0 / 6}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var h history
			for _, st := range tt.past {
				h.add(st)
			}
			if diff := cmp.Diff(tt.vip, h.vip("a")); diff != "" {
				t.Errorf("vip (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.total, h.total()); diff != "" {
				t.Errorf("total (-want +got):\n%s", diff)
			}
		})
	}
}

func TestHistoryIsBounded(t *testing.T) {
	var h history
	for i := range uint64(3 * samples) {
		h.add(at(time.Duration(i)*every, map[string]uint64{"a": i * i}))
	}
	got := h.total().History
	if len(got) != samples-1 || got[len(got)-1] <= got[0] {
		t.Errorf("%d rates from %v to %v; want %d of the newest", len(got), got[0], got[len(got)-1], samples-1)
	}
}

// Half and the 99th of 100 of the responses of the last minute, of a VIP and of
// each of its profiles; what was before, and a counter that begins anew, do not
// count.
func TestTimesOfTheLastMinute(t *testing.T) {
	bounds := node.WaitBounds()
	with := func(after time.Duration, profiles ...string) *node.Status {
		st := at(after, map[string]uint64{"a": 0})
		for _, counted := range profiles {
			name, places, _ := strings.Cut(counted, " ")
			waits := make([]uint64, len(bounds)+1)
			for place := range strings.FieldsSeq(places) {
				var i, n int
				if _, err := fmt.Sscanf(place, "%d:%d", &i, &n); err != nil {
					t.Fatal(err)
				}
				waits[i] = uint64(n)
			}
			st.VIPs[0].Traffic = append(st.VIPs[0].Traffic, node.TrafficStatus{Profile: name, Requests: 1, Waits: waits})
		}
		return st
	}
	var h history
	for _, st := range []*node.Status{
		with(0, "owa 14:1000", "eas 0:7"),
		with(10*time.Second, "owa 14:5000", "eas 0:7"), // long ago at the end
		with(80*time.Second, "owa 14:5000", "eas 0:7"),
		with(100*time.Second, "owa 3:100 14:5000", "eas 0:3"), // began anew
	} {
		h.add(st)
	}
	got := h.protocol("a", "owa")
	if got.Median <= bounds[2] || got.Median > bounds[3] || got.Most <= got.Median || got.Most > bounds[3] {
		t.Errorf("owa: median %v, most %v; want both between %v and %v", got.Median, got.Most, bounds[2], bounds[3])
	}
	if n := len(got.Slow); n != 3 || got.Slow[0] <= bounds[13].Seconds() || got.Slow[1] != 0 || got.Slow[2] != got.Most.Seconds() {
		t.Errorf("owa: the slowest were %v; want a long one, none, and %v", got.Slow, got.Most.Seconds())
	}
	if got := h.protocol("a", "eas"); got.Median == 0 || got.Median > bounds[0] {
		t.Errorf("eas, whose counter began anew: median %v; want up to %v", got.Median, bounds[0])
	}
	if got := h.vip("a"); got.Median <= bounds[2] || got.Median > bounds[3] {
		t.Errorf("both: median %v; want that of owa, which has most", got.Median)
	}
	if got := h.protocol("a", "ews"); got.Median != 0 || got.Requests != 0 {
		t.Errorf("a profile without requests: %+v", got)
	}
	conns, bindings := h.levels()
	if len(conns) != 4 || len(bindings) != 4 {
		t.Errorf("levels of %d and %d samples; want 4", len(conns), len(bindings))
	}
}
