package admin

import (
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
