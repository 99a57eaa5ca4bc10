package route

import "testing"

// A relayed connection is no request: it has an end and a record, and its octets
// were counted before.
func TestCountRelayed(t *testing.T) {
	var logged *Record
	v := &VIP{Counters: new(Counters), Log: func(r *Record) { logged = r }}
	r := &Record{Relayed: true, In: 10, Out: 20, End: EndIdle}
	v.CountRelayed(r)
	c := v.Counters
	if c.Ends[EndIdle].Load() != 1 || logged != r {
		t.Errorf("%d idle ends, record %p; want 1, %p", c.Ends[EndIdle].Load(), logged, r)
	}
	f := c.Figures()
	if f[0].Requests() != 0 || c.In.Load() != 0 || c.Out.Load() != 0 {
		t.Errorf("counted %d requests, %d in, %d out; want none", f[0].Requests(), c.In.Load(), c.Out.Load())
	}
	v.Log = nil
	v.CountRelayed(r)
	if c.Ends[EndIdle].Load() != 2 {
		t.Errorf("%d idle ends without a log; want 2", c.Ends[EndIdle].Load())
	}
}
