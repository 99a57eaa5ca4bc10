package main

import (
	"bytes"
	"strings"
	"testing"

	"casbah/admin"
)

func TestStatusTellsOfPlacesAndForeignConnections(t *testing.T) {
	st := manyServers()
	st.Pools[0].Placement = &admin.Placement{Mode: "prefer", Told: 200, Crossed: 30, Unknown: 4, Preferred: 17}
	st.VIPs[0].Identity.Faults = 2
	var out bytes.Buffer
	printStatus(&out, st, nil)
	text := strings.Join(strings.Fields(out.String()), " ")
	for _, want := range []string{
		"mailboxes 15% of 200 requests went sideways, to the server of the mailbox; 4 named none of the pool's; 17 clients brought to theirs",
		"faults 2 requests about to leave on another client's connection; nothing was sent.",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("status does not say %q:\n%s", want, out.String())
		}
	}
	out.Reset()
	printStatus(&out, manyServers(), nil)
	for _, word := range []string{"mailboxes", "another client's"} {
		if strings.Contains(out.String(), word) {
			t.Errorf("status without either says %q", word)
		}
	}
}
