package main

import (
	"testing"

	"casbah/admin"
)

func TestPlacesWords(t *testing.T) {
	for _, tt := range []struct {
		server admin.Server
		want   string
	}{
		{admin.Server{Active: 3}, ""},
		{admin.Server{Backup: true}, "backup"},
		{admin.Server{Active: 3, Places: &admin.Places{Limit: 5}}, "3 of 5 places taken"},
		{
			admin.Server{Active: 5, Places: &admin.Places{Limit: 5, Waiting: 2, Served: 4, Waited: 2.5, Full: 1, TimedOut: 2}},
			"5 of 5 places taken, 2 waiting, 4 waited 625ms on average, 3 turned away",
		},
	} {
		if got := placesWords(&tt.server); got != tt.want {
			t.Errorf("%q; want %q", got, tt.want)
		}
	}
}
