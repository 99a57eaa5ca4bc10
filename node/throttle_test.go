package node

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// A cause is told at once, then once a minute, with how often it came meanwhile;
// another cause is not held up by it.
func TestThrottle(t *testing.T) {
	var out bytes.Buffer
	log := zerolog.New(&out)
	var th throttle
	begin := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	for i := range 150 { // a second each
		th.tell(begin.Add(time.Duration(i)*time.Second), "disk", log.Error(), "full")
	}
	th.tell(begin, "other", log.Error(), "else")
	const want = `{"level":"error","message":"full"}
{"level":"error","suppressed":59,"message":"full"}
{"level":"error","suppressed":59,"message":"full"}
{"level":"error","message":"else"}
`
	if out.String() != want {
		t.Errorf("told:\n%swant:\n%s", out.String(), want)
	}
}

// Memory is bounded, whatever the causes; what is not told apart is told of.
func TestThrottleIsBounded(t *testing.T) {
	var th throttle
	now := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	for i := range 10 * throttleCauses {
		if _, ok := th.allow(now, fmt.Sprint(i)); !ok {
			t.Fatalf("cause %d is not told of", i)
		}
	}
	if len(th.causes) != throttleCauses {
		t.Errorf("%d causes are kept; want %d", len(th.causes), throttleCauses)
	}
	now = now.Add(throttleEvery)
	if _, ok := th.allow(now, strings.Repeat("x", 10)); !ok || len(th.causes) != 1 {
		t.Errorf("%d causes are kept after a minute; want the new one", len(th.causes))
	}
}
